// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Sluice
import Synchronization

/// Gathers one answer on its event loop, so that the task that waits for it is woken once and not for each part.
///
/// - Note: Unchecked, because of what has come so far; it is touched on the exchange's event loop only, and read when the exchange
///   is over.
final class WholeAnswer: HTTPClientResponseDelegate, @unchecked Sendable {
    typealias Response = Void

    /// How an exchange ended.
    struct End: Sendable {
        /// Status and header fields, if they have come.
        let head: HTTPResponseHead?
        /// What has come of the body.
        let body: ByteBuffer
        /// Why there is no more of it.
        let error: (any Error)?
    }

    /// There is, or will be, more of the body than may be.
    struct TooLarge: Error {}

    private enum State {
        /// Not begun. Becomes `running` or `stopped`.
        case idle
        /// Under way, or over.
        case running(HTTPClient.Task<Void>)
        /// Not wanted any more before it began.
        case stopped(any Error)
    }

    private let limit: Int
    private let state = Mutex(State.idle)
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()

    /// - Parameter limit: The largest body that is gathered, in bytes.
    init(upTo limit: Int) {
        self.limit = limit
    }

    /// Has `client` do `request`, until the deadline of the operation under way; called once.
    func run(_ request: HTTPClient.Request, by client: HTTPClient) async -> End {
        let alarm = OperationContext.current?.atDeadline { self.stop(DeadlineReached()) }
        defer { alarm?.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let task = client.execute(request: request, delegate: self)
                task.futureResult.whenComplete { result in
                    var error: (any Error)?
                    if case .failure(let failure) = result { error = failure }
                    continuation.resume(returning: End(head: self.head, body: self.body, error: error))
                }
                let reason = self.state.withLock { state -> (any Error)? in
                    if case .stopped(let reason) = state { return reason }
                    state = .running(task)
                    return nil
                }
                if let reason { task.fail(reason: reason) }
            }
        } onCancel: {
            self.stop(CancellationError())
        }
    }

    private func stop(_ reason: any Error) {
        let task = self.state.withLock { state -> HTTPClient.Task<Void>? in
            if case .running(let task) = state { return task }
            state = .stopped(reason)
            return nil
        }
        task?.fail(reason: reason)
    }

    // MARK: On the event loop

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        self.head = head
        if let length = head.headers.first(name: "content-length").flatMap(Int.init), length > self.limit {
            return task.eventLoop.makeFailedFuture(TooLarge())
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        guard self.body.readableBytes + part.readableBytes <= self.limit else {
            return task.eventLoop.makeFailedFuture(TooLarge())
        }
        // The usual small body comes in one part, which is then not copied.
        if self.body.readableBytes == 0 {
            self.body = part
        } else {
            var part = part
            self.body.writeBuffer(&part)
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) {}
}

/// The sequence of what has come of a body, and then of the error that ended it.
struct FailedBody: AsyncSequence, Sendable {
    let bytes: ByteBuffer
    let error: any Error

    struct Iterator: AsyncIteratorProtocol {
        var bytes: ByteBuffer?
        let error: any Error

        mutating func next() async throws -> ByteBuffer? {
            if let bytes = self.bytes.take(), bytes.readableBytes > 0 { return bytes }
            throw self.error
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(bytes: self.bytes, error: self.error) }
}
