// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Sluice
import SluiceSQL
import Synchronization

/// The stopping of one statement, on a thread and a connection of its own for as long as it takes.
///
/// The server may forget a kill that comes before the statement has begun, so it is sent again until the answer to the statement
/// is there. If that takes longer than ``grace`` the statement's connection is cut off. As a connection runs one statement at a time,
/// there are at most as many kills at once as connections.
final class MySQLKill: Sendable {
    /// How long a killed statement may take to answer: a tenth of the deadline that calls have by default, as on PostgreSQL.
    static let grace: Duration = .seconds(3)
    /// The wait between two kills.
    private static let interval: Duration = .milliseconds(50)

    private struct State {
        var alarm: TimerToken?
        /// Whether the statement has ended; then the connection must not be cut off any more.
        var isOver = false
        var wasSevered = false
    }

    private let settings: MySQLSettings
    private let connectionID: UInt
    private let socket: MySQLSocket
    private let state = Mutex(State())
    private let isAnswered = DispatchSemaphore(value: 0)
    private let isDone = DispatchSemaphore(value: 0)

    init(_ settings: MySQLSettings, connectionID: UInt, socket: MySQLSocket) {
        self.settings = settings.impatient(Self.grace).withoutDatabase
        self.connectionID = connectionID
        self.socket = socket
    }

    func start() {
        let end = SystemTime.shared.now.advanced(by: Self.grace)
        // By an alarm, since the thread itself may be waiting for the network.
        let alarm = SystemTime.shared.schedule(at: end) { self.sever() }
        self.state.withLock { $0.alarm = alarm }
        let status = DedicatedThread.start {
            self.run(until: end)
            self.isDone.signal()
        }
        guard status != 0 else { return }
        // No thread to be had: cutting the connection off needs none.
        self.sever()
        self.isDone.signal()
    }

    /// The answer is there; called once, on the connection's thread.
    ///
    /// Returns when no further kill can be sent, or when it does not matter, since the connection is lost.
    func statementHasEnded() {
        let (alarm, wasSevered) = self.state.withLock { state in
            state.isOver = true
            return (state.alarm, state.wasSevered)
        }
        if let alarm { SystemTime.shared.cancel(alarm) }
        self.isAnswered.signal()
        if !wasSevered { self.isDone.wait() }
    }

    private func sever() {
        self.state.withLock { state in
            guard !state.isOver else { return }
            state.wasSevered = true
            self.socket.sever()
        }
    }

    private func run(until end: Instant) {
        do throws(SQLError) {
            let handle = try MySQLHandle.connect(self.settings)
            repeat {
                do throws(SQLError) {
                    try handle.command("KILL QUERY \(self.connectionID)")
                } catch  where !error.isLossOfConnection {
                    // No such connection: it has ended, which its own thread will see.
                }
            } while !self.isAnswered(within: Self.interval) && SystemTime.shared.now < end
            self.sever()
            guard self.state.withLock({ $0.wasSevered }) else { return }
            // The server would notice that the connection is cut off only when it has an answer to send.
            try handle.command("KILL CONNECTION \(self.connectionID)")
        } catch {
            // It cannot be told; the alarm cuts the connection off.
        }
    }

    private func isAnswered(within time: Duration) -> Bool {
        self.isAnswered.wait(timeout: .now() + .nanoseconds(Int(max(0, time.clampedNanoseconds)))) == .success
    }
}
