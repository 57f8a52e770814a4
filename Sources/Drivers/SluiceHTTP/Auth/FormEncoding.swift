// SPDX-License-Identifier: Apache-2.0

/// Names and values as `application/x-www-form-urlencoded`.
///
/// - Source: WHATWG URL §5; everything but the unreserved characters of RFC 3986 is encoded, and a space is `+`.
enum FormEncoding {
    static func encoded(_ pairs: [(String, String)]) -> String {
        pairs.map { "\(self.encoded($0))=\(self.encoded($1))" }.joined(separator: "&")
    }

    static func encoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            case 0x20:
                bytes.append(UInt8(ascii: "+"))
            default:
                bytes.append(UInt8(ascii: "%"))
                bytes += Hexadecimal.text([byte]).uppercased().utf8
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
