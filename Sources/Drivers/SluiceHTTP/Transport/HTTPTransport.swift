// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore

/// Sends one request and brings back its answer: the one seam between the API client and the network.
///
/// A transport follows no redirect, tries nothing again, keeps no cookie and bounds no call: those are the client's. Making a
/// connection, waiting for one, and the silence on one are the transport's to bound, as only it sees them.
public protocol HTTPTransport: Sendable {
    /// Sends `request` with `body` and returns as soon as the answer's head is there.
    ///
    /// Gives up an answer's connection when its body is read to the end, or not read any more.
    ///
    /// - Throws: ``APIClientError``; `CancellationError` if the task is cancelled.
    func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse

    /// Closes every connection.
    func close() async
}

/// An answer whose body is still on its way.
public struct HTTPTransportResponse: Sendable {
    /// Status and header fields.
    public let head: HTTPResponse
    /// The body's parts as they arrive, to be read once.
    ///
    /// Ends with ``APIClientError`` or `CancellationError` like `send`.
    public let body: any AsyncSequence<ByteBuffer, any Error> & Sendable
    /// The whole body, if it is there already; ``body`` then brings the same.
    public let bytes: ByteBuffer?

    /// Creates an answer whose body is on its way.
    public init(head: HTTPResponse, body: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        self.head = head
        self.body = body
        self.bytes = nil
    }

    /// Creates an answer whose body is there.
    public init(head: HTTPResponse, bytes: ByteBuffer) {
        self.head = head
        self.body = SinglePart(bytes: bytes)
        self.bytes = bytes
    }

    /// Reads the body to its end.
    ///
    /// - Throws: ``APIClientError`` of kind `bodyTooLarge` as soon as there are, or are announced, more than `limit` bytes.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        if let bytes = self.bytes {
            guard bytes.readableBytes <= limit else { throw Self.tooLarge(limit) }
            return bytes
        }
        return try await Self.collect(self.body, upTo: limit)
    }

    private static func collect(
        _ body: some AsyncSequence<ByteBuffer, any Error>, upTo limit: Int
    ) async throws -> ByteBuffer {
        // The usual small body comes in one part, which is then not copied.
        var whole: ByteBuffer?
        for try await var part in body {
            guard (whole?.readableBytes ?? 0) + part.readableBytes <= limit else { throw Self.tooLarge(limit) }
            if whole == nil { whole = part } else { whole?.writeBuffer(&part) }
        }
        return whole ?? ByteBuffer()
    }

    static func tooLarge(_ limit: Int) -> APIClientError {
        APIClientError(.bodyTooLarge, message: "the body is larger than \(limit) bytes")
    }
}

/// The sequence of one part, or of none if it is empty.
struct SinglePart: AsyncSequence, Sendable {
    let bytes: ByteBuffer

    struct Iterator: AsyncIteratorProtocol {
        var bytes: ByteBuffer?

        mutating func next() async throws -> ByteBuffer? { self.bytes.take() }
    }

    func makeAsyncIterator() -> Iterator { Iterator(bytes: self.bytes.readableBytes > 0 ? self.bytes : nil) }
}
