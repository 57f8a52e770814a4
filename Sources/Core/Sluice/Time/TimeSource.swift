// SPDX-License-Identifier: Apache-2.0

/// Where policies read the time and set their alarms.
///
/// ``SystemTime`` is the real one. Tests put a virtual one in its place, so that no test sleeps. A time source is a class, so
/// that carrying one in every ``OperationContext`` costs a reference and not a box.
public protocol TimeSource: AnyObject, Sendable {
    /// The present moment; never earlier than an instant it returned before.
    var now: Instant { get }

    /// Calls `action` once, at `instant` or soon after it, and never before it.
    ///
    /// `action` runs on the time source's own thread, outside every lock, and must not block.
    ///
    /// - Returns: What ``cancel(_:)`` takes to call the alarm off.
    func schedule(at instant: Instant, _ action: @escaping @Sendable () -> Void) -> TimerToken

    /// Removes an alarm and frees what it holds at once.
    ///
    /// - Returns: Whether the alarm was still waiting: then its action never runs. False if it ran or is about to.
    @discardableResult
    func cancel(_ token: TimerToken) -> Bool
}

extension TimeSource {
    /// Waits until `instant`.
    ///
    /// Unlike `Task.sleep`, a cancelled wait leaves nothing behind: the alarm is removed from the timer, not abandoned in it.
    ///
    /// - Throws: `CancellationError`, at once, if the task is cancelled.
    public func sleep(until instant: Instant) async throws {
        try Task.checkCancellation()
        if instant <= self.now { return }
        let wait = Wait()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard wait.begin(continuation) else { return continuation.resume() }
                let token = self.schedule(at: instant) { wait.end() }
                wait.note(token, of: self)
            }
        } onCancel: {
            wait.end(cancelling: self)
        }
        try Task.checkCancellation()
    }
}
