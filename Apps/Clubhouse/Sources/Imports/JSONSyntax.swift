// SPDX-License-Identifier: Apache-2.0

/// Finds where a text stops being JSON.
///
/// Foundation's decoder, on Linux, says only that something is wrong, and its older serialiser accepts what is not JSON; so the
/// place, which whoever has to mend the file needs, is found here, and only once decoding has failed.
///
/// - Source: RFC 8259.
struct JSONSyntax {
    /// Deeper nesting is taken as an error: Foundation's decoder goes no deeper either.
    private static let maximumDepth = 512

    private struct Failure: Error {}

    private let bytes: [UInt8]
    /// Where valid UTF-8 ends: nothing behind it is looked at.
    private var end = 0
    private var position = 0
    private var depth = 0

    /// The offset, in bytes from 0, of the first byte at which `bytes` cannot be continued to JSON; its length if it ends too
    /// soon; nil if it is JSON.
    static func firstError(in bytes: [UInt8]) -> Int? {
        var syntax = JSONSyntax(bytes: bytes)
        syntax.end = Self.validPrefix(of: bytes)
        // A byte order mark is not JSON, but RFC 8259 §8.1 lets parsers ignore it, and Foundation's does.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { syntax.position = 3 }
        do {
            try syntax.value()
            syntax.skipWhitespace()
            return syntax.position == bytes.count ? nil : syntax.position
        } catch {
            return syntax.position
        }
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// How many bytes from the start are UTF-8, which JSON between systems must be (RFC 8259 §8.1).
    private static func validPrefix(of bytes: [UInt8]) -> Int {
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var count = 0
        while case .valid(let scalar) = parser.parseScalar(from: &iterator) { count += scalar.count }
        return count
    }

    private var current: UInt8? { self.position < self.end ? self.bytes[self.position] : nil }

    private mutating func value() throws(Failure) {
        self.skipWhitespace()
        switch self.current {
        case UInt8(ascii: "{"): try self.members(end: UInt8(ascii: "}"), areNamed: true)
        case UInt8(ascii: "["): try self.members(end: UInt8(ascii: "]"), areNamed: false)
        case UInt8(ascii: "\""): try self.string()
        case UInt8(ascii: "t"): try self.word("true")
        case UInt8(ascii: "f"): try self.word("false")
        case UInt8(ascii: "n"): try self.word("null")
        default: try self.number()
        }
        self.skipWhitespace()
    }

    private mutating func members(end: UInt8, areNamed: Bool) throws(Failure) {
        guard self.depth < Self.maximumDepth else { throw Failure() }
        self.depth += 1
        defer { self.depth -= 1 }
        self.position += 1
        self.skipWhitespace()
        if self.take(end) { return }
        repeat {
            if areNamed {
                self.skipWhitespace()
                try self.string()
                self.skipWhitespace()
                try self.require(UInt8(ascii: ":"))
            }
            try self.value()
        } while self.take(UInt8(ascii: ","))
        try self.require(end)
    }

    private mutating func string() throws(Failure) {
        try self.require(UInt8(ascii: "\""))
        while let byte = self.current {
            switch byte {
            case UInt8(ascii: "\""):
                self.position += 1
                return
            case UInt8(ascii: "\\"):
                self.position += 1
                try self.escape()
            case 0..<0x20:
                throw Failure()
            default:
                self.position += 1
            }
        }
        throw Failure()
    }

    private mutating func escape() throws(Failure) {
        guard let byte = self.current else { throw Failure() }
        if byte == UInt8(ascii: "u") {
            self.position += 1
            for _ in 0..<4 {
                guard let digit = self.current, Character(UnicodeScalar(digit)).isHexDigit else { throw Failure() }
                self.position += 1
            }
        } else if "\"\\/bfnrt".utf8.contains(byte) {
            self.position += 1
        } else {
            throw Failure()
        }
    }

    private mutating func number() throws(Failure) {
        _ = self.take(UInt8(ascii: "-"))
        // A leading zero stands alone.
        if !self.take(UInt8(ascii: "0")) { try self.digits() }
        if self.take(UInt8(ascii: ".")) { try self.digits() }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            try self.digits()
        }
    }

    private mutating func digits() throws(Failure) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = self.current, digits.contains(first) else { throw Failure() }
        while let byte = self.current, digits.contains(byte) { self.position += 1 }
    }

    private mutating func word(_ word: String) throws(Failure) {
        for byte in word.utf8 { try self.require(byte) }
    }

    private mutating func require(_ byte: UInt8) throws(Failure) {
        guard self.take(byte) else { throw Failure() }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.current == byte else { return false }
        self.position += 1
        return true
    }

    private mutating func skipWhitespace() {
        while let byte = self.current, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { self.position += 1 }
    }
}
