// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Takes answers out of bytes as they come, in pieces of any size.
///
/// It goes on where it stopped, so that no byte is looked at twice; and what is announced takes no memory before it is there.
///
/// - Source: RESP3 specification; streamed strings and aggregates, which no server sends, are refused.
struct RESPReader {
    /// What the server says.
    enum Message: Equatable {
        /// The answer to the first command that has none yet.
        case reply(RedisValue)
        /// Something nobody has asked for.
        case push([RedisValue])
    }

    /// Why bytes are no answer; says nothing of what they hold.
    struct Failure: Error, Equatable {
        let message: String
    }

    /// A value whose elements are still coming.
    private struct Frame {
        let kind: Kind
        var missing: Int
        var values: [RedisValue] = []
    }

    private enum Kind { case array, set, map, push, attribute }
    private enum Bulk { case string, verbatim, error }

    /// The longest simple string, error or number; Redis cuts its errors off long before that.
    private static let maximumLine = 64 << 10
    /// Strings up to this length are copied, so that keeping one does not keep everything that was read with it.
    private static let copiedLength = 1 << 10

    private let limits: RedisLimits
    private var buffer = ByteBuffer()
    /// Unread bytes in which there is no end of a line.
    private var scanned = 0
    /// The string that is to come next, and its length.
    private var bulk: (kind: Bulk, length: Int)?
    private var frames: [Frame] = []
    private var valueCount = 0
    private var byteCount = 0

    init(limits: RedisLimits) {
        self.limits = limits
    }

    /// Adds what was read from the network.
    mutating func append(_ bytes: ByteBuffer) {
        guard self.buffer.readableBytes > 0 else {
            self.buffer = bytes
            return
        }
        // Otherwise a connection that is never quite read would keep everything it has ever read.
        if self.buffer.readerIndex > self.buffer.readableBytes { self.buffer.discardReadBytes() }
        self.buffer.writeImmutableBuffer(bytes)
    }

    /// The next message, or nil until more bytes have come.
    mutating func next() throws(Failure) -> Message? {
        while true {
            guard let value = try self.bulk == nil ? self.readLine() : self.readBulk() else { return nil }
            guard let value = value.value, let message = self.place(value) else { continue }
            (self.valueCount, self.byteCount) = (0, 0)
            if self.buffer.readableBytes == 0 { self.buffer = ByteBuffer() }
            return message
        }
    }

    /// A step: nothing means that more bytes must come, an empty one that a value has begun.
    private struct Step {
        static let begun = Step(value: nil)
        let value: RedisValue?
    }

    // MARK: Lines

    private mutating func readLine() throws(Failure) -> Step? {
        let view = self.buffer.readableBytesView
        guard let end = view.dropFirst(self.scanned).firstIndex(of: UInt8(ascii: "\r")) else {
            self.scanned = view.count
            return try self.waitForLine()
        }
        let length = end - view.startIndex
        guard length < Self.maximumLine else { throw Failure(message: "a line is too long") }
        guard length + 1 < view.count else {
            self.scanned = length
            return nil
        }
        guard length >= 1, view[end + 1] == UInt8(ascii: "\n") else { throw Failure(message: "a line is malformed") }
        self.scanned = 0
        let mark = view[view.startIndex]
        self.buffer.moveReaderIndex(forwardBy: 1)
        guard let line = self.buffer.readSlice(length: length - 1) else { return nil }
        self.buffer.moveReaderIndex(forwardBy: 2)
        return try self.begin(mark, line)
    }

    private func waitForLine() throws(Failure) -> Step? {
        guard self.scanned < Self.maximumLine else { throw Failure(message: "a line is too long") }
        return nil
    }

    private mutating func begin(_ mark: UInt8, _ line: ByteBuffer) throws(Failure) -> Step {
        try self.count(values: 1, bytes: line.readableBytes)
        switch mark {
        case UInt8(ascii: "+"): return Step(value: .string(self.copied(line)))
        case UInt8(ascii: "-"): return Step(value: .error(RedisError(reply: String(buffer: line))))
        case UInt8(ascii: ":"): return Step(value: .integer(try RESPNumber.integer(line)))
        case UInt8(ascii: ","): return Step(value: .double(try RESPNumber.double(line)))
        case UInt8(ascii: "("): return Step(value: .bigNumber(try RESPNumber.bigNumber(line)))
        case UInt8(ascii: "#"): return Step(value: .boolean(try RESPNumber.boolean(line)))
        case UInt8(ascii: "_"):
            guard line.readableBytes == 0 else { throw Failure(message: "a null has content") }
            return Step(value: .null)
        case UInt8(ascii: "$"): return try self.beginBulk(.string, line)
        case UInt8(ascii: "="): return try self.beginBulk(.verbatim, line)
        case UInt8(ascii: "!"): return try self.beginBulk(.error, line)
        case UInt8(ascii: "*"): return try self.beginFrame(.array, line)
        case UInt8(ascii: "~"): return try self.beginFrame(.set, line)
        case UInt8(ascii: "%"): return try self.beginFrame(.map, line)
        case UInt8(ascii: ">"): return try self.beginFrame(.push, line)
        case UInt8(ascii: "|"): return try self.beginFrame(.attribute, line)
        default: throw Failure(message: "a value is of no known type")
        }
    }

    private mutating func count(values: Int, bytes: Int) throws(Failure) {
        self.valueCount += values
        self.byteCount += bytes
        guard self.valueCount <= self.limits.maximumValues else {
            throw Failure(message: "an answer has too many values")
        }
        guard self.byteCount <= self.limits.maximumBytes else { throw Failure(message: "an answer is too large") }
    }

    // MARK: Strings

    private mutating func beginBulk(_ kind: Bulk, _ line: ByteBuffer) throws(Failure) -> Step {
        let length = try RESPNumber.integer(line)
        // The null of RESP2, which RESP3 forbids and some modules send all the same.
        if length == -1, kind == .string { return Step(value: .null) }
        guard length >= 0, length <= self.limits.maximumBytes else { throw Failure(message: "a string is too long") }
        try self.count(values: 0, bytes: Int(length))
        self.bulk = (kind, Int(length))
        return .begun
    }

    private mutating func readBulk() throws(Failure) -> Step? {
        guard let (kind, length) = self.bulk, self.buffer.readableBytes >= length + 2,
            var bytes = self.buffer.readSlice(length: length)
        else { return nil }
        guard self.buffer.readInteger(as: UInt16.self) == 0x0D0A else {
            throw Failure(message: "a string does not end where it should")
        }
        self.bulk = nil
        switch kind {
        case .string: break
        case .error: return Step(value: .error(RedisError(reply: String(buffer: bytes))))
        case .verbatim:
            // Three letters of format and a colon.
            guard bytes.readBytes(length: 4)?.last == UInt8(ascii: ":") else {
                throw Failure(message: "a verbatim string has no format")
            }
        }
        return Step(value: .string(self.copied(bytes)))
    }

    private func copied(_ bytes: ByteBuffer) -> ByteBuffer {
        guard bytes.readableBytes <= Self.copiedLength else { return bytes }
        return ByteBuffer(bytes: bytes.readableBytesView)
    }

    // MARK: Values within values

    private mutating func beginFrame(_ kind: Kind, _ line: ByteBuffer) throws(Failure) -> Step {
        let count = try RESPNumber.integer(line)
        if count == -1, kind == .array { return Step(value: .null) }
        guard count >= 0, count <= self.limits.maximumValues else {
            throw Failure(message: "an answer has too many values")
        }
        guard kind != .push || self.frames.isEmpty else { throw Failure(message: "a push lies within an answer") }
        guard self.frames.count < self.limits.maximumDepth else {
            throw Failure(message: "an answer is nested too deeply")
        }
        let missing = kind == .map || kind == .attribute ? 2 * Int(count) : Int(count)
        // Announced values are counted when they come; here it is only refused what could never be kept.
        guard missing <= self.limits.maximumValues else { throw Failure(message: "an answer has too many values") }
        self.frames.append(Frame(kind: kind, missing: missing))
        if missing == 0 { return self.close().map(Step.init) ?? .begun }
        return .begun
    }

    /// Puts a value where it belongs.
    ///
    /// - Returns: The message, if that was its last one.
    private mutating func place(_ value: RedisValue) -> Message? {
        var value = value
        while let last = self.frames.indices.last {
            self.frames[last].values.append(value)
            self.frames[last].missing -= 1
            guard self.frames[last].missing == 0 else { return nil }
            if self.frames[last].kind == .push { return .push(self.frames.removeLast().values) }
            guard let whole = self.close() else { return nil }
            value = whole
        }
        return .reply(value)
    }

    /// Ends the innermost frame.
    ///
    /// - Returns: Its value; nil for an attribute, which says something about the value behind it that nobody has asked for.
    private mutating func close() -> RedisValue? {
        let frame = self.frames.removeLast()
        switch frame.kind {
        case .array, .push: return .array(frame.values)
        case .set: return .set(frame.values)
        case .attribute: return nil
        case .map:
            return .map(
                stride(from: 0, to: frame.values.count, by: 2).map {
                    RedisValue.Entry(key: frame.values[$0], value: frame.values[$0 + 1])
                })
        }
    }
}
