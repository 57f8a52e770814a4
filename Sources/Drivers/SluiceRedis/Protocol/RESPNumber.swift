// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Reads what RESP3 writes as digits or letters on one line, and nothing else.
enum RESPNumber {
    typealias Failure = RESPReader.Failure

    /// A whole number of 64 bits.
    static func integer(_ line: ByteBuffer) throws(Failure) -> Int64 {
        var digits = line.readableBytesView[...]
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
        guard !digits.isEmpty else { throw Self.malformed }
        var number: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { throw Self.malformed }
            // Built on the negative side, which has room for one number more.
            let (scaled, overflowed) = number.multipliedReportingOverflow(by: 10)
            let (sum, exceeded) = scaled.subtractingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
            guard !overflowed, !exceeded else { throw Self.malformed }
            number = sum
        }
        guard isNegative || number != .min else { throw Self.malformed }
        return isNegative ? number : -number
    }

    /// A floating-point number.
    static func double(_ line: ByteBuffer) throws(Failure) -> Double {
        let text = String(buffer: line)
        switch text {
        case "inf": return .infinity
        case "-inf": return -.infinity
        case "nan", "-nan": return .nan
        default: break
        }
        // Swift's own reader also knows hexadecimal numbers and other words.
        guard text.utf8.allSatisfy({ $0 < 0x3A || $0 | 0x20 == UInt8(ascii: "e") }), let number = Double(text) else {
            throw Self.malformed
        }
        return number
    }

    /// A whole number of any length.
    static func bigNumber(_ line: ByteBuffer) throws(Failure) -> String {
        let text = String(buffer: line)
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { throw Self.malformed }
        return text
    }

    /// True or false.
    static func boolean(_ line: ByteBuffer) throws(Failure) -> Bool {
        switch String(buffer: line) {
        case "t": return true
        case "f": return false
        default: throw Self.malformed
        }
    }

    private static let malformed = Failure(message: "a number is malformed")
}
