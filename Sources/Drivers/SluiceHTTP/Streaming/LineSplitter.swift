// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Puts lines together from parts that end anywhere, with a bound on a line.
struct LineSplitter {
    /// What ends a line.
    enum Ends {
        /// A line feed, before which a carriage return is dropped.
        case lineFeed
        /// A carriage return, a line feed, or both: as in server-sent events.
        case any
    }

    private let ends: Ends
    private let maximumBytes: Int
    private var buffer = ByteBuffer()
    /// How much of the buffer is known to hold no end of a line.
    private var scanned = 0
    /// Whether a carriage return has just ended a line, so that a line feed belongs to it.
    private var skipsLineFeed = false

    init(_ ends: Ends, maximumBytes: Int) {
        precondition(maximumBytes >= 1, "maximumBytes must be at least 1 (is \(maximumBytes))")
        self.ends = ends
        self.maximumBytes = maximumBytes
    }

    /// Takes in the next part.
    mutating func feed(_ part: ByteBuffer) {
        if self.buffer.readableBytes == 0 {
            self.buffer = part
        } else {
            self.buffer.discardReadBytes()
            self.buffer.writeImmutableBuffer(part)
        }
    }

    /// The next line without its end; nil if it is not complete.
    ///
    /// - Throws: ``APIClientError`` of kind `bodyTooLarge` as soon as a line is longer than allowed.
    mutating func next() throws(APIClientError) -> ByteBuffer? {
        if self.skipsLineFeed, let byte: UInt8 = self.buffer.getInteger(at: self.buffer.readerIndex) {
            if byte == UInt8(ascii: "\n") { self.buffer.moveReaderIndex(forwardBy: 1) }
            self.skipsLineFeed = false
        }
        guard let length = self.lengthOfLine() else {
            self.scanned = self.buffer.readableBytes
            guard self.scanned <= self.maximumBytes else { throw self.tooLong() }
            return nil
        }
        guard length <= self.maximumBytes else { throw self.tooLong() }
        self.scanned = 0
        var line = self.buffer.readSlice(length: length)
        let end: UInt8? = self.buffer.readInteger()
        switch self.ends {
        case .any: self.skipsLineFeed = end == UInt8(ascii: "\r")
        case .lineFeed:
            if let end = line?.writerIndex, line?.readableBytesView.last == UInt8(ascii: "\r") {
                line?.moveWriterIndex(to: end - 1)
            }
        }
        return line
    }

    /// What is left after the last line, once there will be no more.
    mutating func rest() -> ByteBuffer? {
        defer { self.buffer.clear() }
        return self.buffer.readableBytes == 0 ? nil : self.buffer
    }

    private func lengthOfLine() -> Int? {
        let rest = self.buffer.readableBytesView.dropFirst(self.scanned)
        let end: Int? =
            switch self.ends {
            case .lineFeed: rest.firstIndex(of: UInt8(ascii: "\n"))
            case .any: rest.firstIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            }
        return end.map { $0 - self.buffer.readerIndex }
    }

    private func tooLong() -> APIClientError {
        APIClientError(.bodyTooLarge, message: "a line is longer than \(self.maximumBytes) bytes")
    }
}

/// A body's lines.
struct BodyLines: AsyncSequence, Sendable {
    let body: HTTPBody.Parts
    let ends: LineSplitter.Ends
    let maximumBytes: Int
    /// Whether what follows the last line's end is a line too.
    let keepsRest: Bool

    struct Iterator: AsyncIteratorProtocol {
        var body: any AsyncIteratorProtocol<ByteBuffer, any Error>
        var splitter: LineSplitter
        let keepsRest: Bool
        var isOver = false

        mutating func next() async throws -> ByteBuffer? {
            while !self.isOver {
                if let line = try self.splitter.next() { return line }
                guard let part = try await self.body.next(isolation: #isolation) else {
                    self.isOver = true
                    return self.keepsRest ? self.splitter.rest() : nil
                }
                self.splitter.feed(part)
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(
            body: self.body.makeAsyncIterator(), splitter: LineSplitter(self.ends, maximumBytes: self.maximumBytes),
            keepsRest: self.keepsRest)
    }
}
