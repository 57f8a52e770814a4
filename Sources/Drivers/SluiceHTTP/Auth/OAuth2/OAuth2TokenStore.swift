// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import Synchronization

/// Where a session keeps its token, so that a refresh token that was exchanged for a new one survives a restart.
///
/// The token is saved before anybody uses it. A store that several processes share is asked again before each renewal,
/// so that one
/// process uses what another has got.
public protocol OAuth2TokenStore: Sendable {
    /// The token that was saved last.
    func load() async throws -> OAuth2Token?
    /// Keeps a token in place of the one before.
    func save(_ token: OAuth2Token) async throws
    /// Forgets the token.
    func remove() async throws
}

/// Keeps a token as long as the process runs.
public final class InMemoryOAuth2TokenStore: OAuth2TokenStore {
    private let token: Mutex<OAuth2Token?>

    /// Starts with a token, or none.
    public init(_ token: OAuth2Token? = nil) {
        self.token = Mutex(token)
    }

    /// The token that was saved last.
    public func load() async throws -> OAuth2Token? { self.token.withLock { $0 } }
    /// Keeps a token.
    public func save(_ token: OAuth2Token) async throws { self.token.withLock { $0 = token } }
    /// Forgets the token.
    public func remove() async throws { self.token.withLock { $0 = nil } }
}

/// Keeps a token in a file that only its owner may read.
public struct FileOAuth2TokenStore: OAuth2TokenStore {
    private let path: String

    /// Names the file, which need not exist; its folder must.
    public init(path: String) {
        self.path = path
    }

    /// The token in the file; nil if there is no file.
    ///
    /// - Throws: `DecodingError` if the file is no token's.
    public func load() async throws -> OAuth2Token? {
        guard let data = FileManager.default.contents(atPath: self.path) else { return nil }
        return try OAuth2Token(encoded: data)
    }

    /// Writes a file beside it and puts that in its place, so that a crash leaves one or the other.
    public func save(_ token: OAuth2Token) async throws {
        let temporary = "\(self.path).\(RandomText.make(bytes: 8)).new"
        let isWritten = FileManager.default.createFile(
            atPath: temporary, contents: try token.encoded(), attributes: [.posixPermissions: 0o600])
        guard isWritten, rename(temporary, self.path) == 0 else {
            unlink(temporary)
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: self.path])
        }
    }

    /// Removes the file.
    public func remove() async throws {
        guard unlink(self.path) == 0 || errno == ENOENT else {
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: self.path])
        }
    }
}
