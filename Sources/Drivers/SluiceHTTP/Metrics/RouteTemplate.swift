// SPDX-License-Identifier: Apache-2.0

/// What calls are counted as when nobody says: the path, its query and what looks like an id left out.
enum RouteTemplate {
    /// The template of a path or URL, for example `/users/{id}` for `/users/42?full=1`.
    static func template(of path: String) -> String {
        // By bytes: a search by characters takes as long as all the rest of a call.
        var path = path
        let (range, hasDigits) = path.withUTF8(Self.part)
        if range.isEmpty { return "/" }
        if !hasDigits, range.count == path.utf8.count { return path }
        let start = path.utf8.index(path.startIndex, offsetBy: range.lowerBound)
        let template = path[start..<path.utf8.index(start, offsetBy: range.count)]
        guard hasDigits else { return String(template) }
        return template.split(separator: "/", omittingEmptySubsequences: false)
            .map { Self.isIdentifier($0) ? "{id}" : String($0) }.joined(separator: "/")
    }

    /// Where the path is, without scheme, authority, query and fragment, and whether there are digits in it.
    private static func part(_ bytes: UnsafeBufferPointer<UInt8>) -> (range: Range<Int>, hasDigits: Bool) {
        var start = 0
        let first = bytes.firstIndex { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") || Self.isEnd($0) }
        if let colon = first, bytes[colon...].starts(with: "://".utf8) {
            let host = bytes[(colon + 3)...]
            start = host.firstIndex { $0 == UInt8(ascii: "/") || Self.isEnd($0) } ?? bytes.count
        }
        let end = bytes[start...].firstIndex(where: Self.isEnd) ?? bytes.count
        return (start..<end, bytes[start..<end].contains(where: Self.isDigit))
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

    /// Whether a query or a fragment begins.
    private static func isEnd(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
