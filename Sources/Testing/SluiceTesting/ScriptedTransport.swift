// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore
public import SluiceHTTP
import Synchronization

/// An HTTP transport that answers from a function, and remembers what it was asked.
public final class ScriptedTransport: HTTPTransport {
    /// What a function can answer.
    public struct Answer: Sendable {
        let head: HTTPResponse
        let body: [ByteBuffer]
        let failure: (any Error)?

        /// An answer with a status, header fields and a body in one part.
        public init(_ status: HTTPResponse.Status, fields: HTTPFields = [:], body: String = "") {
            self.head = HTTPResponse(status: status, headerFields: fields)
            self.body = body.isEmpty ? [] : [ByteBuffer(string: body)]
            self.failure = nil
        }

        /// An answer whose body comes in parts, and may end with an error.
        public init(
            _ status: HTTPResponse.Status, fields: HTTPFields = [:], parts: [ByteBuffer],
            failure: (any Error)? = nil
        ) {
            self.head = HTTPResponse(status: status, headerFields: fields)
            self.body = parts
            self.failure = failure
        }
    }

    private let answer: @Sendable (HTTPRequest, _ number: Int) async throws -> Answer
    private let sent = Mutex<[(request: HTTPRequest, body: ByteBuffer?)]>([])

    /// Creates a transport that answers request `number`, from 1, with what `answer` returns or throws.
    public init(answer: @escaping @Sendable (_ request: HTTPRequest, _ number: Int) async throws -> Answer) {
        self.answer = answer
    }

    /// The requests so far, in order.
    public var requests: [HTTPRequest] { self.sent.withLock { $0.map(\.request) } }
    /// What they carried, in order; nil for those that had no body.
    public var bodies: [ByteBuffer?] { self.sent.withLock { $0.map(\.body) } }

    /// Answers a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        var bytes: ByteBuffer?
        if let body { bytes = try await Self.collected(body) }
        let sentBytes = bytes
        let number = self.sent.withLock { sent in
            sent.append((request, sentBytes))
            return sent.count
        }
        let answer = try await self.answer(request, number)
        let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
            for part in answer.body { stream.yield(part) }
            stream.finish(throwing: answer.failure)
        }
        return HTTPTransportResponse(head: answer.head, body: parts)
    }

    private static func collected(_ body: HTTPBody) async throws -> ByteBuffer {
        func collect(_ parts: some AsyncSequence<ByteBuffer, any Error>) async throws -> ByteBuffer {
            var whole = ByteBuffer()
            for try await part in parts { whole.writeImmutableBuffer(part) }
            return whole
        }
        return try await collect(try body.parts())
    }

    /// Does nothing.
    public func close() async {}
}
