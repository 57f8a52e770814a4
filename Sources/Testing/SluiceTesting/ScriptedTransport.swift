// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
import NIOCore
public import SluiceHTTP
import Synchronization

/// An HTTP transport that answers from a function, and remembers what it was asked.
public final class ScriptedTransport: HTTPTransport {
    /// What a function can answer.
    public struct Answer: Sendable {
        let head: HTTPResponse
        let body: [ByteBuffer]

        /// An answer with a status, header fields and a body in one part.
        public init(_ status: HTTPResponse.Status, fields: HTTPFields = [:], body: String = "") {
            self.head = HTTPResponse(status: status, headerFields: fields)
            self.body = body.isEmpty ? [] : [ByteBuffer(string: body)]
        }
    }

    private let answer: @Sendable (HTTPRequest, _ number: Int) async throws -> Answer
    private let sent = Mutex<[HTTPRequest]>([])

    /// Creates a transport that answers request `number`, from 1, with what `answer` returns or throws.
    public init(answer: @escaping @Sendable (_ request: HTTPRequest, _ number: Int) async throws -> Answer) {
        self.answer = answer
    }

    /// The requests so far, in order.
    public var requests: [HTTPRequest] { self.sent.withLock { $0 } }

    /// Answers a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        let number = self.sent.withLock { sent in
            sent.append(request)
            return sent.count
        }
        let answer = try await self.answer(request, number)
        let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
            for part in answer.body { stream.yield(part) }
            stream.finish()
        }
        return HTTPTransportResponse(head: answer.head, body: parts)
    }

    /// Does nothing.
    public func close() async {}
}
