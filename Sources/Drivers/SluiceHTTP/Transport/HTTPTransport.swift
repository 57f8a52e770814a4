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

    /// Sends `request` with `body` and returns when the answer is there as a whole, or as much of it as there will be.
    ///
    /// A body that is larger than `limit`, or breaks off, is none of this call's errors: reading it is. A transport that gains
    /// nothing by gathering an answer itself leaves this to its extension, which returns as ``send(_:body:)`` does.
    ///
    /// - Parameter limit: The largest body that will be read, in bytes.
    /// - Throws: As ``send(_:body:)``.
    func fetch(_ request: HTTPRequest, body: HTTPBody?, upTo limit: Int) async throws -> HTTPTransportResponse

    /// Closes every connection.
    func close() async
}

extension HTTPTransport {
    /// Returns as soon as the answer's head is there.
    public func fetch(_ request: HTTPRequest, body: HTTPBody?, upTo limit: Int) async throws -> HTTPTransportResponse {
        try await self.send(request, body: body)
    }
}

/// A transport whose ``HTTPTransport/fetch(_:body:upTo:)`` ends by itself, with `DeadlineReached`, at the deadline of the operation
/// that it is called in, unless the request's body is a stream.
package protocol DeadlineWatchingTransport: HTTPTransport {}

/// An answer whose body is still on its way, or there.
public struct HTTPTransportResponse: Sendable {
    private enum Content: Sendable {
        case parts(any AsyncSequence<ByteBuffer, any Error> & Sendable)
        case bytes(ByteBuffer)
    }

    /// One reference, since an answer is handed through every policy, and a copy of its head is a dozen.
    private final class Storage: Sendable {
        let head: HTTPResponse
        let content: Content

        init(_ head: HTTPResponse, _ content: Content) {
            self.head = head
            self.content = content
        }
    }

    private let storage: Storage

    /// Creates an answer whose body is on its way.
    public init(head: HTTPResponse, body: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        self.storage = Storage(head, .parts(body))
    }

    /// Creates an answer whose body is there.
    public init(head: HTTPResponse, bytes: ByteBuffer) {
        self.storage = Storage(head, .bytes(bytes))
    }

    /// Status and header fields.
    public var head: HTTPResponse { self.storage.head }

    /// The body's parts as they arrive, to be read once.
    ///
    /// Ends with ``APIClientError`` or `CancellationError` like `send`.
    public var body: any AsyncSequence<ByteBuffer, any Error> & Sendable {
        switch self.storage.content {
        case .parts(let parts): parts
        case .bytes(let bytes): SinglePart(bytes: bytes)
        }
    }

    /// The whole body, if it is there already; ``body`` then brings the same.
    public var bytes: ByteBuffer? { if case .bytes(let bytes) = self.storage.content { bytes } else { nil } }

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
