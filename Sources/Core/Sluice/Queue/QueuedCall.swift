// SPDX-License-Identifier: Apache-2.0

/// One call that waits for its turn.
struct QueuedCall: Sendable {
    /// How the wait ended.
    enum End: Sendable {
        case admitted, cancelled, expired, tooLate, shed, full
    }

    let ticket: UInt64
    private let suspension = Suspension<End>()

    init(_ ticket: UInt64) {
        self.ticket = ticket
    }

    /// Ends the wait.
    func settle(_ end: End) { self.suspension.settle(end) }

    /// Waits for the turn, at most `patience` and until the deadline.
    ///
    /// - Parameter leave: Takes the call out of its queue; false if its turn has come, and then that is how the wait ends.
    func wait(
        _ patience: Duration, in context: OperationContext, leave: @escaping @Sendable () -> Bool
    ) async -> End {
        let until = context.time.now.advanced(by: patience)
        let (limit, end): (Instant, End) =
            context.deadline < until ? (context.deadline, .tooLate) : (until, .expired)
        let alarm = context.time.schedule(at: limit) { if leave() { self.settle(end) } }
        let ended = await withTaskCancellationHandler {
            await self.suspension.value()
        } onCancel: {
            if leave() { self.settle(.cancelled) }
        }
        context.time.cancel(alarm)
        return ended
    }
}
