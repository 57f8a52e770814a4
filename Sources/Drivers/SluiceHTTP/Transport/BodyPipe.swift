// SPDX-License-Identifier: Apache-2.0
import DequeModule
package import NIOCore
import Sluice
import Synchronization

/// A body between who makes it and who reads it: bounded, read by one task.
///
/// Who can wait writes with ``send(_:)`` and is held up while ``highWatermark`` bytes lie here; who cannot uses ``feed(_:)`` and is
/// told how many there are.
package final class BodyPipe: Sendable {
    /// From how many bytes on the writer is held up.
    package static let highWatermark = 1 << 18

    private struct State {
        var parts = Deque<ByteBuffer>()
        var bytes = 0
        var end: Result<Void, any Error>?
        var isAbandoned = false
        var reader: Suspension<Void>?
        var writer: Suspension<Void>?
    }

    private let state = Mutex(State())
    /// Called once there is room again after ``feed(_:)`` filled it.
    private let onRoom: @Sendable () -> Void
    /// Called when nobody will read on.
    private let onAbandon: @Sendable () -> Void

    package init(onRoom: @escaping @Sendable () -> Void = {}, onAbandon: @escaping @Sendable () -> Void = {}) {
        self.onRoom = onRoom
        self.onAbandon = onAbandon
    }

    /// Adds a part.
    ///
    /// - Returns: How many bytes wait to be read.
    @discardableResult
    package func feed(_ part: ByteBuffer) -> Int {
        let (reader, bytes) = self.state.withLock { state -> (Suspension<Void>?, Int) in
            guard state.end == nil, !state.isAbandoned, part.readableBytes > 0 else { return (nil, state.bytes) }
            state.parts.append(part)
            state.bytes += part.readableBytes
            return (state.reader.take(), state.bytes)
        }
        reader?.settle(())
        return bytes
    }

    /// How many bytes wait to be read.
    var waitingBytes: Int { self.state.withLock { $0.bytes } }

    /// Adds a part, and waits while too much lies here.
    ///
    /// - Throws: `CancellationError` if nobody reads any more, or the task was cancelled.
    package func send(_ part: ByteBuffer) async throws {
        self.feed(part)
        while true {
            try Task.checkCancellation()
            let (suspension, isOver) = self.state.withLock { state -> (Suspension<Void>?, Bool) in
                if state.isAbandoned { return (nil, true) }
                guard state.bytes >= Self.highWatermark else { return (nil, false) }
                let suspension = Suspension<Void>()
                state.writer = suspension
                return (suspension, false)
            }
            if isOver { throw CancellationError() }
            guard let suspension else { return }
            await withTaskCancellationHandler {
                await suspension.value()
            } onCancel: {
                suspension.settle(())
            }
        }
    }

    /// Says that nothing follows, or why.
    package func finish(_ error: (any Error)? = nil) {
        let reader = self.state.withLock { state -> Suspension<Void>? in
            if state.end == nil { state.end = error.map { .failure($0) } ?? .success(()) }
            return state.reader.take()
        }
        reader?.settle(())
    }

    /// Says that nobody will read on.
    package func abandon() {
        let (writer, isNew) = self.state.withLock { state -> (Suspension<Void>?, Bool) in
            let isNew = !state.isAbandoned && state.end == nil
            state.isAbandoned = true
            state.parts = []
            return (state.writer.take(), isNew)
        }
        writer?.settle(())
        if isNew { self.onAbandon() }
    }

    fileprivate func next() async throws -> ByteBuffer? {
        while true {
            enum Step {
                case part(ByteBuffer, writer: Suspension<Void>?, hasRoom: Bool)
                case wait(Suspension<Void>)
                case end(Result<Void, any Error>)
            }
            let step = self.state.withLock { state -> Step in
                if let part = state.parts.popFirst() {
                    let before = state.bytes
                    state.bytes -= part.readableBytes
                    let hasRoom = before >= Self.highWatermark && state.bytes < Self.highWatermark
                    return .part(
                        part, writer: state.bytes < Self.highWatermark ? state.writer.take() : nil, hasRoom: hasRoom)
                }
                if let end = state.end { return .end(end) }
                let suspension = Suspension<Void>()
                state.reader = suspension
                return .wait(suspension)
            }
            switch step {
            case .part(let part, let writer, let hasRoom):
                writer?.settle(())
                if hasRoom { self.onRoom() }
                return part
            case .end(let end):
                try end.get()
                return nil
            case .wait(let suspension):
                await withTaskCancellationHandler {
                    await suspension.value()
                } onCancel: {
                    suspension.settle(())
                }
                if Task.isCancelled {
                    self.abandon()
                    throw CancellationError()
                }
            }
        }
    }

    /// What is written, to be read once; the pipe is abandoned when the last copy of it is gone.
    package var body: any AsyncSequence<ByteBuffer, any Error> & Sendable { Body(token: Token(self)) }

    /// Lives as long as somebody may read.
    private final class Token: Sendable {
        let pipe: BodyPipe

        init(_ pipe: BodyPipe) {
            self.pipe = pipe
        }

        deinit { self.pipe.abandon() }
    }

    private struct Body: AsyncSequence, Sendable {
        let token: Token

        struct Iterator: AsyncIteratorProtocol {
            let token: Token

            mutating func next() async throws -> ByteBuffer? { try await self.token.pipe.next() }
        }

        func makeAsyncIterator() -> Iterator { Iterator(token: self.token) }
    }
}
