// SPDX-License-Identifier: Apache-2.0

/// A `ws:` or `wss:` URL in the parts that a handshake needs.
///
/// - Source: RFC 6455 §3, RFC 3986 §3.
struct WebSocketURL: Equatable {
    let isSecure: Bool
    /// Without brackets, if it is an IPv6 address.
    let host: String
    let port: Int
    /// For the `Host` header: without the port if it is the scheme's own.
    let authority: String
    /// Path and query, at least `/`.
    let target: String

    /// - Throws: ``WebSocketError`` of kind `urlNotAllowed`, without the URL, which may hold a token.
    init(_ text: String) throws(WebSocketError) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Self.refused("it has characters that are not percent-encoded")
        }
        guard let mark = text.firstRange(of: "://") else { throw Self.refused("it has no scheme") }
        switch text[..<mark.lowerBound].lowercased() {
        case "ws": self.isSecure = false
        case "wss": self.isSecure = true
        default: throw Self.refused("its scheme is neither ws nor wss")
        }
        let rest = text[mark.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !rest.contains("#") else { throw Self.refused("it has a fragment") }
        guard !authority.contains("@") else { throw Self.refused("it has a user in it; use a header") }
        let tail = rest[authority.endIndex...]
        self.target = tail.first == "/" ? String(tail) : "/" + tail
        let (host, port) = try Self.split(authority)
        let standard = self.isSecure ? 443 : 80
        self.port = port ?? standard
        self.host = host.lowercased()
        let name = self.host.contains(":") ? "[\(self.host)]" : self.host
        self.authority = self.port == standard ? name : "\(name):\(self.port)"
    }

    private static func split(_ authority: Substring) throws(WebSocketError) -> (host: Substring, port: Int?) {
        var host = authority
        var portText: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw self.refused("its host is malformed") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.first == ":" else { throw self.refused("its host is malformed") }
            portText = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { throw self.refused("it has no host") }
        guard let portText else { return (host, nil) }
        guard let port = Int(portText), (1...65_535).contains(port), portText.allSatisfy(\.isNumber) else {
            throw self.refused("its port is not in 1...65535")
        }
        return (host, port)
    }

    private static func refused(_ reason: String) -> WebSocketError {
        WebSocketError(.urlNotAllowed, message: "the URL cannot be used: \(reason)")
    }
}
