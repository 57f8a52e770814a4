// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice

/// A `redis:` or `rediss:` URL in its parts: `redis://user:password@host:6379/0`.
struct RedisURL: Sendable, Hashable, CustomStringConvertible {
    let isSecure: Bool
    let user: String?
    let password: Secret?
    /// Without brackets, if it is an IPv6 address.
    let host: String
    let port: Int
    /// The database's number.
    let database: Int

    /// - Throws: ``RedisError`` of kind `configuration`, without the URL, which may hold a password.
    init(_ text: String) throws(RedisError) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased() else {
            throw Self.refused("it is malformed; write for example redis://user:password@host:6379/0")
        }
        switch scheme {
        case "redis": self.isSecure = false
        case "rediss": self.isSecure = true
        default: throw Self.refused("its scheme is neither redis nor rediss")
        }
        guard let host = parts.host, !host.isEmpty else { throw Self.refused("it has no host") }
        guard parts.query == nil, parts.fragment == nil else { throw Self.refused("it has a query or a fragment") }
        self.host = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        self.port = parts.port ?? 6_379
        guard (1...65_535).contains(self.port) else { throw Self.refused("its port is not in 1...65535") }
        self.user = parts.user.flatMap { $0.isEmpty ? nil : $0 }
        self.password = parts.password.flatMap { $0.isEmpty ? nil : Secret($0) }
        guard self.user == nil || self.password != nil else { throw Self.refused("it has a user without a password") }
        let path = parts.path.drop { $0 == "/" }
        guard let database = path.isEmpty ? 0 : Int(path), database >= 0 else {
            throw Self.refused("its database is not a number of at least 0")
        }
        self.database = database
    }

    private static func refused(_ reason: String) -> RedisError {
        RedisError(.configuration, message: "the URL cannot be used: \(reason)", hasRun: false)
    }

    /// The commands that open a connection.
    var handshake: [(name: String, arguments: [RedisArgument])] {
        var hello: [RedisArgument] = [3]
        if let password = self.password {
            hello += ["AUTH", RedisArgument(self.user ?? "default"), RedisArgument(password.reveal())]
        }
        let select: [RedisArgument] = [RedisArgument(self.database)]
        return [("HELLO", hello)] + (self.database == 0 ? [] : [("SELECT", select)])
    }

    /// The URL without the password.
    var description: String {
        let user = self.user.map { "\($0)@" } ?? ""
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return "\(self.isSecure ? "rediss" : "redis")://\(user)\(host):\(self.port)/\(self.database)"
    }
}
