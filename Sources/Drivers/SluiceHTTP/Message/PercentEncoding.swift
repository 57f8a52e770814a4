// SPDX-License-Identifier: Apache-2.0

/// Percent-encoding of text for the parts of a URL and for forms.
///
/// - Source: RFC 3986 §2.3, and the WHATWG URL Standard, "application/x-www-form-urlencoded".
enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// For a path segment, a query's name or value: all but the unreserved characters.
    static func component(_ text: some StringProtocol) -> String {
        if text.utf8.allSatisfy(Self.isUnreserved) { return String(text) }
        return Self.encoded(text, keeping: Self.isUnreserved)
    }

    /// For a form's name or value: a space becomes `+`.
    static func form(_ text: some StringProtocol) -> String {
        Self.encoded(text) { byte in
            Self.isAlphanumeric(byte) || byte == UInt8(ascii: "*") || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: " ")
        }.replacing(" ", with: "+")
    }

    static func encoded(_ text: some StringProtocol, keeping isKept: (UInt8) -> Bool) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count * 2)
        for byte in text.utf8 {
            if isKept(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(Self.digits[Int(byte >> 4)])
                bytes.append(Self.digits[Int(byte & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func isUnreserved(_ byte: UInt8) -> Bool {
        Self.isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "~")
    }

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
