// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Sluice
import SluiceSQL
import Synchronization

/// What can stop the statement that a connection runs: its task's cancellation and its deadline; and nothing once it has ended, so
/// that neither can hit the next statement.
///
/// A statement is stopped by `KILL QUERY` over a second connection (``MySQLKill``), since the first one waits for its answer. One
/// alarm serves a connection and not each statement: it is set for a deadline that is earlier than the alarm already set, and
/// otherwise looks, when it rings, what runs by then. So statements with deadlines like the ones before them cost no alarm.
final class MySQLWatch: Sendable {
    /// One statement, from before it is sent until its answer is there.
    final class Run: Sendable {
        fileprivate let isCancelled = Atomic(false)
        fileprivate let context = OperationContext.current

        /// Whether its deadline has come.
        fileprivate var isLate: Bool {
            guard let context = self.context, context.deadline < .distantFuture else { return false }
            return context.time.now >= context.deadline
        }
    }

    /// Why a statement is stopped.
    enum Reason: Sendable {
        case cancellation, deadline

        var error: any Error {
            switch self {
            case .cancellation: CancellationError()
            case .deadline: SQLError(.timeout, message: "the statement was stopped at its deadline")
            }
        }
    }

    private struct Alarm {
        let token: TimerToken
        let time: any TimeSource
        let instant: Instant
    }

    private struct State {
        var run: Run?
        var kill: (reason: Reason, work: MySQLKill)?
        var alarm: Alarm?
    }

    private let state = Mutex(State())
    private let settings: MySQLSettings
    private let connectionID: UInt
    private let socket: MySQLSocket

    init(_ settings: MySQLSettings, connectionID: UInt, socket: MySQLSocket) {
        self.settings = settings
        self.connectionID = connectionID
        self.socket = socket
    }

    deinit { self.stopAlarm() }

    /// A statement is about to be sent.
    ///
    /// - Throws: The reason why it must not: it was cancelled, or its deadline has come.
    func begin(_ run: Run) throws {
        try self.state.withLock { state in
            if run.isCancelled.load(ordering: .relaxed) { throw CancellationError() }
            if run.isLate {
                throw SQLError(.timeout, message: "the deadline had come before the statement began", hasRun: false)
            }
            state.run = run
            self.setAlarm(for: run, in: &state)
        }
    }

    /// The statement's answer is there, or the connection lost.
    ///
    /// Waits until a kill on its way can do no more harm than the next
    /// round trip shows.
    ///
    /// - Returns: Why it was killed, if it was.
    func end(_ run: Run) -> Reason? {
        let kill = self.state.withLock { state in
            state.run = nil
            defer { state.kill = nil }
            return state.kill
        }
        kill?.work.statementHasEnded()
        return kill?.reason
    }

    /// The statement's task was cancelled; it may not have begun, or have ended.
    func cancel(_ run: Run) {
        run.isCancelled.store(true, ordering: .relaxed)
        self.state.withLock { state in
            guard state.run === run else { return }
            self.kill(.cancellation, in: &state)
        }
    }

    /// Calls the alarm off, for good.
    func stopAlarm() {
        let alarm = self.state.withLock { state in
            defer { state.alarm = nil }
            return state.alarm
        }
        if let alarm { alarm.time.cancel(alarm.token) }
    }

    /// Starts the kill under the lock, which costs the start of a thread: so the end of the statement cannot come in between.
    private func kill(_ reason: Reason, in state: inout State) {
        guard state.kill == nil else { return }
        let work = MySQLKill(self.settings, connectionID: self.connectionID, socket: self.socket)
        state.kill = (reason, work)
        work.start()
    }

    /// Sets the alarm under the lock; a time source calls back outside every lock of its own.
    private func setAlarm(for run: Run, in state: inout State) {
        guard let context = run.context, context.deadline < .distantFuture else { return }
        if let alarm = state.alarm {
            if alarm.time === context.time, alarm.instant <= context.deadline { return }
            alarm.time.cancel(alarm.token)
        }
        let token = context.time.schedule(at: context.deadline) { [weak self] in self?.look() }
        state.alarm = Alarm(token: token, time: context.time, instant: context.deadline)
    }

    /// The alarm rings, perhaps for a statement that has ended long ago.
    private func look() {
        self.state.withLock { state in
            // One that rings although it was called off must not take the place of the one that was set instead of it.
            if let alarm = state.alarm, alarm.time.now < alarm.instant { return }
            state.alarm = nil
            guard let run = state.run else { return }
            if run.isLate { self.kill(.deadline, in: &state) } else { self.setAlarm(for: run, in: &state) }
        }
    }
}
