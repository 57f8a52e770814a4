// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where a database is and who asks: `postgres://user:password@host:5432/name?sslmode=require`.
///
/// Its description leaves the password out.
public struct DatabaseURL: Sendable, Hashable, CustomStringConvertible {
    /// What it begins with, for example `postgres`.
    public let scheme: String
    /// The part behind the scheme and its colon, as it was given.
    public let remainder: String
    /// The user's name.
    public let user: String?
    /// The user's password.
    public let password: String?
    /// The server's name or address, or the folder of its socket.
    public let host: String?
    /// The server's port.
    public let port: Int?
    /// The database's name; what follows the host and a slash.
    public let database: String
    /// What follows the question mark.
    public let parameters: [String: String]

    /// Takes a URL apart.
    ///
    /// - Throws: ``SQLError`` of kind `configuration`, whose message does not repeat the URL, since it may hold a password.
    public init(_ url: String) throws(SQLError) {
        guard let colon = url.firstIndex(of: ":") else { throw Self.malformed }
        self.scheme = String(url[..<colon])
        self.remainder = String(url[url.index(after: colon)...])
        guard self.remainder.hasPrefix("//"), let parts = URLComponents(string: url) else {
            guard !self.remainder.hasPrefix("//") else { throw Self.malformed }
            (self.user, self.password, self.host, self.port) = (nil, nil, nil, nil)
            (self.database, self.parameters) = (self.remainder, [:])
            return
        }
        var parameters: [String: String] = [:]
        for item in parts.queryItems ?? [] { parameters[item.name] = item.value ?? "" }
        self.user = parts.user
        self.password = parts.password
        // A socket's folder cannot stand where a host does, so it may be a parameter.
        self.host = parameters.removeValue(forKey: "host") ?? parts.host.flatMap { $0.isEmpty ? nil : $0 }
        self.port = parts.port
        self.database = String(parts.path.drop { $0 == "/" })
        self.parameters = parameters
    }

    private static let malformed = SQLError(
        .configuration, message: "the database URL is none; write for example postgres://user:password@host:5432/name")

    /// The URL without the password and the parameters.
    public var description: String {
        let user = self.user.map { "\($0)@" } ?? ""
        let port = self.port.map { ":\($0)" } ?? ""
        return self.host.map { "\(self.scheme)://\(user)\($0)\(port)/\(self.database)" }
            ?? "\(self.scheme):\(self.database)"
    }
}
