// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import Hummingbird
import NIOCore
public import SluiceHTTP
import Synchronization

/// Hands an API client's requests to a responder in this process: a router, for example, without server, socket or port.
///
/// Bodies are streamed both ways, and who reads slowly holds the responder up, as over a network. A responder whose answer is not
/// wanted any more is cancelled.
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
        let upload = try ResponderUpload(body)
        var head = request
        // A server is told how much there is, or that it comes in parts.
        if let length = body?.length { head.headerFields[.contentLength] = "\(length)" }
        let incoming = Request(head: head, body: upload.body)
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
        // A body that failed never was whole, so no server would have answered.
        if let failure = upload.failure { throw failure }
        guard Self.hasBody(response.status, request.method) else {
            return HTTPTransportResponse(head: response.head, bytes: ByteBuffer())
        }
        let download = ResponderDownload()
        return HTTPTransportResponse(head: response.head, body: download.body(of: response))
    }

    /// Whether an answer has a body at all.
    ///
    /// - Source: RFC 9110 §6.4.1.
    private static func hasBody(_ status: HTTPResponse.Status, _ method: HTTPRequest.Method) -> Bool {
        method != .head && status != .noContent && status != .notModified
    }

    /// Does nothing.
    public func close() async {}
}

/// A request's body as a responder reads it, and why it failed if it did.
private final class ResponderUpload: Sendable {
    let body: RequestBody
    private let parts: CountedParts?

    init(_ body: HTTPBody?) throws {
        guard let body, body.bytes == nil else {
            self.body = RequestBody(buffer: body?.bytes ?? ByteBuffer())
            self.parts = nil
            return
        }
        let parts = CountedParts(base: try body.parts(), length: body.length)
        self.body = RequestBody(asyncSequence: parts)
        self.parts = parts
    }

    var failure: (any Error)? { self.parts?.failure.first }
}

/// Parts that must be as many bytes as was said.
private struct CountedParts: AsyncSequence, Sendable {
    /// What comes first, for whoever asks later.
    final class First: Sendable {
        private let error = Mutex<(any Error)?>(nil)

        var first: (any Error)? { self.error.withLock { $0 } }

        func note(_ error: any Error) {
            self.error.withLock { $0 = $0 ?? error }
        }
    }

    let base: HTTPBody.Parts
    let length: Int64?
    let failure = First()

    struct Iterator: AsyncIteratorProtocol {
        var base: any AsyncIteratorProtocol<ByteBuffer, any Error>
        let length: Int64?
        let failure: First
        var count: Int64 = 0

        mutating func next() async throws -> ByteBuffer? {
            do {
                let part = try await self.base.next(isolation: #isolation)
                self.count += Int64(part?.readableBytes ?? 0)
                guard let length, self.count > length || (part == nil && self.count < length) else { return part }
                throw APIClientError(.bodyFailed, message: "the request's body is not as long as it said")
            } catch {
                let translated: any Error =
                    error is CancellationError || error is APIClientError
                    ? error : APIClientError(.bodyFailed, message: "the request's body threw an error", cause: error)
                self.failure.note(translated)
                throw translated
            }
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: self.base.makeAsyncIterator(), length: self.length, failure: self.failure)
    }
}

/// The making of an answer's body, which ends when nobody reads it any more.
private final class ResponderDownload: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        var isAbandoned = false
    }

    private let state = Mutex(State())

    func body(of response: Response) -> any AsyncSequence<ByteBuffer, any Error> & Sendable {
        // The pipe keeps us, and our task keeps the pipe, until the task has ended.
        let pipe = BodyPipe(onAbandon: { self.abandon() })
        let body = pipe.body
        // Unstructured, because the body is made while the caller reads it, after the answer was returned; it is cancelled when
        // nobody reads on.
        let task = Task {
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
        let isAbandoned = self.state.withLock { state in
            state.task = task
            return state.isAbandoned
        }
        if isAbandoned { task.cancel() }
        return body
    }

    private func abandon() {
        let task = self.state.withLock { state in
            state.isAbandoned = true
            return state.task.take()
        }
        task?.cancel()
    }
}

private struct PipeWriter: ResponseBodyWriter {
    let pipe: BodyPipe

    mutating func write(_ buffer: ByteBuffer) async throws { try await self.pipe.send(buffer) }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
