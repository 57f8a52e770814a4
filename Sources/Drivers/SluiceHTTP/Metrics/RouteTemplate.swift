// SPDX-License-Identifier: Apache-2.0

/// What calls are counted as when nobody says: the path, its query and what looks like an id left out.
enum RouteTemplate {
    /// The template of a path or URL, for example `/users/{id}` for `/users/42?full=1`.
    static func template(of path: String) -> String {
        var rest = path.utf8[...]
        // By bytes: a search by characters takes as long as all the rest of a call.
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")), rest[colon...].starts(with: "://".utf8) {
            rest = rest[colon...].dropFirst(3)
            rest = rest.firstIndex(of: UInt8(ascii: "/")).map { rest[$0...] } ?? "/".utf8[...]
        }
        if let end = rest.firstIndex(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            rest = rest[..<end]
        }
        let template = Substring(rest)
        guard rest.contains(where: Self.isDigit) else { return String(template) }
        return template.split(separator: "/", omittingEmptySubsequences: false)
            .map { Self.isIdentifier($0) ? "{id}" : String($0) }.joined(separator: "/")
    }

    /// A number, or at least 16 characters of hexadecimal digits and hyphens among which are digits.
    private static func isIdentifier(_ segment: Substring) -> Bool {
        if segment.isEmpty { return false }
        if segment.utf8.allSatisfy(Self.isDigit) { return true }
        return segment.utf8.count >= 16 && segment.utf8.contains(where: Self.isDigit)
            && segment.utf8.allSatisfy { byte in
                Self.isDigit(byte) || byte == UInt8(ascii: "-")
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
            }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
