// SPDX-License-Identifier: Apache-2.0
import Crypto

/// A Lua program that the server runs as one step: nobody sees it half done.
///
/// The server knows it by its digest and is sent the text only if it does not.
public struct RedisScript: Sendable, Hashable {
    /// The program.
    public let source: String
    /// The SHA-1 of the program, in 40 digits.
    public let digest: String

    /// Takes a program, whose keys are in `KEYS` and other arguments in `ARGV`.
    public init(_ source: String) {
        self.source = source
        let hash = Insecure.SHA1.hash(data: Array(source.utf8))
        self.digest = hash.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

extension Redis {
    /// Runs a script.
    ///
    /// - Parameters:
    ///   - script: The program.
    ///   - keys: Every key that it touches.
    ///   - arguments: What else it is given.
    ///   - isIdempotent: Whether running it twice does no more than once.
    /// - Throws: As ``send(_:_:isIdempotent:)``.
    @discardableResult
    public func run(
        _ script: RedisScript, keys: [String], _ arguments: [RedisArgument] = [], isIdempotent: Bool = false
    ) async throws -> RedisValue {
        let rest = [RedisArgument(keys.count)] + keys.map { RedisArgument($0) } + arguments
        do {
            return try await self.send("EVALSHA", [RedisArgument(script.digest)] + rest, isIdempotent: isIdempotent)
        } catch let error as RedisError where error.code == "NOSCRIPT" {
            return try await self.send("EVAL", [RedisArgument(script.source)] + rest, isIdempotent: isIdempotent)
        }
    }
}
