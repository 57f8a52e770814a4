// SPDX-License-Identifier: Apache-2.0

extension Backoff: LosslessStringConvertible {
    /// The back-off as text that ``init(_:)`` reads, for example `jittered(capped(exponential(1s, 2), 30s), full)`.
    public var description: String { Self.text(self.node) }

    /// Reads a back-off from what ``description`` writes.
    ///
    /// - Returns: nil unless `text` is one of `constant(WAIT)`, `linear(WAIT, STEP)`, `exponential(WAIT, FACTOR)`,
    ///   `fibonacci(WAIT)`, `capped(BACKOFF, WAIT)`, `jittered(BACKOFF, full|equal|decorrelated)`,
    ///   `then(BACKOFF, COUNT, BACKOFF)`, `min(BACKOFF, BACKOFF)`, `max(BACKOFF, BACKOFF)` or `limited(BACKOFF, COUNT)`.
    public init?(_ text: String) {
        // Bounded, since the reader calls itself for what is nested.
        guard text.utf8.count <= 10_000 else { return nil }
        var reader = BackoffReader(text)
        guard let node = reader.node(), reader.isAtEnd else { return nil }
        self.init(node: node)
    }

    private static func text(_ node: Node) -> String {
        switch node {
        case .constant(let wait): "constant(\(self.text(wait)))"
        case .linear(let base, let step): "linear(\(self.text(base)), \(self.text(step)))"
        case .exponential(let base, let factor): "exponential(\(self.text(base)), \(self.text(factor)))"
        case .fibonacci(let base): "fibonacci(\(self.text(base)))"
        case .capped(let inner, let maximum): "capped(\(self.text(inner)), \(self.text(maximum)))"
        case .jittered(let inner, let jitter): "jittered(\(self.text(inner)), \(jitter.rawValue))"
        case .then(let first, let count, let second): "then(\(self.text(first)), \(count), \(self.text(second)))"
        case .min(let left, let right): "min(\(self.text(left)), \(self.text(right)))"
        case .max(let left, let right): "max(\(self.text(left)), \(self.text(right)))"
        case .limited(let inner, let count): "limited(\(self.text(inner)), \(count))"
        }
    }

    private static func text(_ nanoseconds: Int64) -> String { DurationText.text(.nanoseconds(nanoseconds)) }

    private static func text(_ factor: Double) -> String {
        // Beyond 2⁵³ every Double is whole, and most are no Int64.
        factor == factor.rounded() && factor < 0x1p53 ? "\(Int64(factor))" : "\(factor)"
    }
}

/// Reads one back-off, word by word.
private struct BackoffReader {
    private var rest: Substring

    init(_ text: String) {
        self.rest = text[...]
    }

    var isAtEnd: Bool { self.rest.allSatisfy(\.isWhitespace) }

    mutating func node() -> Backoff.Node? {
        let name = self.word()
        guard self.take("("), let node = self.node(named: name), self.take(")") else { return nil }
        return node
    }

    private mutating func node(named name: String) -> Backoff.Node? {
        switch name {
        case "constant": return self.wait().map { .constant($0) }
        case "fibonacci": return self.wait().map { .fibonacci($0) }
        case "linear":
            guard let base = self.wait(), self.take(","), let step = self.wait() else { return nil }
            return .linear(base, step)
        case "exponential":
            guard let base = self.wait(), self.take(","), let factor = Double(self.word()), factor >= 1, factor.isFinite
            else { return nil }
            return .exponential(base, factor)
        default:
            guard let inner = self.node(), self.take(",") else { return nil }
            return self.node(named: name, of: inner)
        }
    }

    private mutating func node(named name: String, of inner: Backoff.Node) -> Backoff.Node? {
        switch name {
        case "capped": return self.wait().map { .capped(inner, $0) }
        case "jittered": return Backoff.Jitter(rawValue: self.word()).map { .jittered(inner, $0) }
        case "limited": return self.count().map { .limited(inner, $0) }
        case "min": return self.node().map { .min(inner, $0) }
        case "max": return self.node().map { .max(inner, $0) }
        case "then":
            guard let count = self.count(), self.take(","), let second = self.node() else { return nil }
            return .then(inner, count, second)
        default: return nil
        }
    }

    private mutating func wait() -> Int64? { DurationText.duration(self.word())?.clampedNanoseconds }

    private mutating func count() -> Int? { Int(self.word()).flatMap { $0 >= 0 ? $0 : nil } }

    /// What stands before the next bracket or comma.
    private mutating func word() -> String {
        self.rest = self.rest.drop(while: \.isWhitespace)
        let word = self.rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "+") }
        self.rest = self.rest.dropFirst(word.count)
        return String(word)
    }

    private mutating func take(_ mark: Character) -> Bool {
        self.rest = self.rest.drop(while: \.isWhitespace)
        guard self.rest.first == mark else { return false }
        self.rest = self.rest.dropFirst()
        return true
    }
}
