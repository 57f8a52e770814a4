// SPDX-License-Identifier: Apache-2.0
import Sluice

/// One caller that waits for a connection.
final class PoolWaiter: Sendable {
    /// How the wait ended.
    enum End: Sendable {
        case lent(any PooledConnection)
        case refused(any Error)
        case late(PoolShortage)
        case cancelled
    }

    let ticket: ConnectionPoolMachine.Ticket
    let start: Instant
    /// When the wait ends in any case.
    let limit: Instant
    /// The operation that waits.
    let context: OperationContext?
    private let suspension = Suspension<End>()

    init(_ ticket: ConnectionPoolMachine.Ticket, start: Instant, limit: Instant, context: OperationContext?) {
        self.ticket = ticket
        self.start = start
        self.limit = limit
        self.context = context
    }

    /// Ends the wait; only the first end counts.
    func settle(_ end: End) { self.suspension.settle(end) }

    /// Waits for the end.
    ///
    /// - Parameter leave: Called at the limit and at cancellation, to take the caller out of the queue.
    func wait(on time: any TimeSource, leave: @escaping @Sendable () -> Void) async -> End {
        let alarm = time.schedule(at: self.limit, leave)
        let end = await withTaskCancellationHandler {
            await self.suspension.value()
        } onCancel: {
            leave()
        }
        time.cancel(alarm)
        return end
    }

    /// Calls `body` with the end, at once or from whoever brings it about; otherwise as ``wait(on:leave:)``.
    func receive(
        on time: any TimeSource, leave: @escaping @Sendable () -> Void, _ body: @escaping @Sendable (End) -> Void
    ) {
        let alarm = time.schedule(at: self.limit, leave)
        self.suspension.receive { end in
            time.cancel(alarm)
            body(end)
        }
    }
}
