// SPDX-License-Identifier: Apache-2.0
public import NIOCore

/// One argument of a command: bytes, whatever they were written as, so that no value can be taken for a command.
public struct RedisArgument: Sendable, Hashable {
    enum Storage: Sendable, Hashable {
        case text(String)
        case bytes(ByteBuffer)
    }

    let storage: Storage

    /// A text, sent as UTF-8.
    public init(_ text: String) { self.storage = .text(text) }

    /// Bytes, sent as they are.
    public init(_ bytes: ByteBuffer) { self.storage = .bytes(bytes) }

    /// A whole number, sent in decimal digits.
    public init(_ number: some BinaryInteger) { self.storage = .text(String(number)) }

    /// The bytes that are sent.
    var count: Int {
        switch self.storage {
        case .text(let text): text.utf8.count
        case .bytes(let bytes): bytes.readableBytes
        }
    }

    /// Whether it is this word, in either case; `word` is in upper case.
    func isWord(_ word: String) -> Bool {
        guard self.count == word.utf8.count else { return false }
        switch self.storage {
        case .text(let text): return text.uppercased() == word
        case .bytes(let bytes): return String(buffer: bytes).uppercased() == word
        }
    }
}

extension RedisArgument: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral {
    /// A text.
    public init(stringLiteral text: String) { self.init(text) }

    /// A whole number.
    public init(integerLiteral number: Int64) { self.init(number) }
}

extension RedisArgument: CustomStringConvertible {
    /// How long it is, and not what it is, since it may be a secret.
    public var description: String { "\(self.count) bytes" }
}
