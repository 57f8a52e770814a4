// SPDX-License-Identifier: Apache-2.0
public import Foundation
import NIOCore

extension HTTPStream {
    /// How large a line or an event may be if nobody says otherwise: 1 MiB.
    public static let defaultMaximumBytes = 1 << 20

    /// The body as lines of text, which end with a line feed; to be read once.
    ///
    /// - Parameter maximumLineBytes: The longest line; a longer one ends the sequence with ``APIClientError`` of kind
    ///   `bodyTooLarge`.
    public func lines(
        maximumLineBytes: Int = HTTPStream.defaultMaximumBytes
    ) -> some AsyncSequence<String, any Error> & Sendable {
        BodyLines(body: self.body, ends: .lineFeed, maximumBytes: maximumLineBytes, keepsRest: true)
            .map { String(buffer: $0) }
    }

    /// The body as values, one a line of JSON (NDJSON); empty lines are skipped; to be read once.
    ///
    /// - Parameters:
    ///   - type: What each line is.
    ///   - maximumLineBytes: The longest line; a longer one ends the sequence with ``APIClientError`` of kind `bodyTooLarge`.
    ///   - decoder: How each is read.
    /// - Returns: The values; a line that is none ends them with ``APIClientError`` of kind `undecodable`.
    public func records<Value: Decodable & Sendable>(
        as type: Value.Type, maximumLineBytes: Int = HTTPStream.defaultMaximumBytes,
        decoder: JSONDecoder = JSONDecoder()
    ) -> some AsyncSequence<Value, any Error> & Sendable {
        BodyLines(body: self.body, ends: .lineFeed, maximumBytes: maximumLineBytes, keepsRest: true)
            .filter { !$0.readableBytesView.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }
            .map { try JSONReply.decode(type, $0, decoder) }
    }

    /// The body as server-sent events; to be read once.
    ///
    /// An event that the end of the body cuts off is dropped, as the standard has it.
    ///
    /// - Parameter maximumEventBytes: The largest event; a larger one ends the sequence with ``APIClientError`` of kind
    ///   `bodyTooLarge`.
    public func events(
        maximumEventBytes: Int = HTTPStream.defaultMaximumBytes
    ) -> some AsyncSequence<ServerSentEvent, any Error> & Sendable {
        BodyEvents(body: self.body, maximumBytes: maximumEventBytes, lastID: "")
    }
}

/// A body's events.
struct BodyEvents: AsyncSequence, Sendable {
    let body: HTTPBody.Parts
    let maximumBytes: Int
    let lastID: String

    struct Iterator: AsyncIteratorProtocol {
        var lines: BodyLines.Iterator
        var parser: ServerSentEventParser

        mutating func next() async throws -> ServerSentEvent? {
            while let line = try await self.lines.next() {
                if let event = try self.parser.take(line) { return event }
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator {
        // A line holds a field's name beside its value.
        let lines = BodyLines(body: self.body, ends: .any, maximumBytes: self.maximumBytes + 16, keepsRest: false)
        return Iterator(
            lines: lines.makeAsyncIterator(),
            parser: ServerSentEventParser(maximumBytes: self.maximumBytes, lastID: self.lastID))
    }
}
