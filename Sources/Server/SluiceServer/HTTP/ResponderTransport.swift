// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import Hummingbird
import NIOCore
public import SluiceHTTP

/// Hands an API client's requests to a responder in this process: a router, for example, without server, socket or port.
///
/// Bodies are streamed both ways, and who reads slowly holds the responder up, as over a network.
public struct ResponderTransport<Responder: HTTPResponder>: HTTPTransport where Responder.Context: RequestContext {
    private let responder: Responder
    private let makeContext: @Sendable () -> Responder.Context

    /// Creates a transport.
    ///
    /// - Parameters:
    ///   - responder: What answers.
    ///   - makeContext: Makes the context of one request.
    public init(_ responder: Responder, makeContext: @escaping @Sendable () -> Responder.Context) {
        self.responder = responder
        self.makeContext = makeContext
    }

    /// Answers a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        let incoming = Request(head: request, body: try Self.body(body))
        let context = self.makeContext()
        let response: Response
        do {
            response = try await self.responder.respond(to: incoming, context: context)
        } catch let error as any HTTPResponseError {
            response = try error.response(from: incoming, context: context)
        } catch let error as CancellationError {
            throw error
        } catch {
            try Task.checkCancellation()
            // As a server does with an error that says nothing of an answer.
            response = Response(status: .internalServerError)
        }
        guard request.method != .head else { return HTTPTransportResponse(head: response.head, bytes: ByteBuffer()) }
        let pipe = BodyPipe()
        let whole = pipe.body
        // Unstructured, because the body is made while the caller reads it, after this has returned; it ends with the body, or,
        // when nobody reads on, with its next write.
        Task {
            do {
                try await response.body.write(PipeWriter(pipe: pipe))
                pipe.finish()
            } catch {
                pipe.finish(
                    error is CancellationError
                        ? error
                        : APIClientError(
                            .connectionLost, message: "the responder's body ended with an error", cause: error))
            }
        }
        return HTTPTransportResponse(head: response.head, body: whole)
    }

    /// Does nothing.
    public func close() async {}

    private static func body(_ body: HTTPBody?) throws -> RequestBody {
        guard let body else { return RequestBody(buffer: ByteBuffer()) }
        if let bytes = body.bytes { return RequestBody(buffer: bytes) }
        return RequestBody(asyncSequence: StreamedParts(base: try body.parts()))
    }
}

/// Parts whose type is not known, as a sequence whose type is.
private struct StreamedParts: AsyncSequence, Sendable {
    let base: HTTPBody.Parts

    struct Iterator: AsyncIteratorProtocol {
        var base: any AsyncIteratorProtocol<ByteBuffer, any Error>

        mutating func next() async throws -> ByteBuffer? { try await self.base.next(isolation: #isolation) }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeAsyncIterator()) }
}

private struct PipeWriter: ResponseBodyWriter {
    let pipe: BodyPipe

    mutating func write(_ buffer: ByteBuffer) async throws { try await self.pipe.send(buffer) }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
