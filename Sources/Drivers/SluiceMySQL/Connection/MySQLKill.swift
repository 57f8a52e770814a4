// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Sluice
import SluiceSQL

/// The stopping of one statement, on a thread and a connection of its own for as long as it takes.
///
/// The server may forget a kill that comes before the statement has begun, so it is sent again until the answer to the statement
/// is there. If that takes longer than ``grace`` the statement's connection is cut off instead. As a connection runs one
/// statement at a time, there are at most as many kills at once as connections.
final class MySQLKill: Sendable {
    /// How long a killed statement may take to answer: 5 s, psycopg's value.
    static let grace: Duration = .seconds(5)
    /// The wait between two kills.
    private static let interval: Duration = .milliseconds(50)

    private let settings: MySQLSettings
    private let connectionID: UInt
    private let socket: MySQLSocket
    private let isAnswered = DispatchSemaphore(value: 0)
    private let isDone = DispatchSemaphore(value: 0)

    init(_ settings: MySQLSettings, connectionID: UInt, socket: MySQLSocket) {
        self.settings = settings.impatient(Self.grace).withoutDatabase
        self.connectionID = connectionID
        self.socket = socket
    }

    func start() {
        let status = DedicatedThread.start {
            self.run()
            self.isDone.signal()
        }
        guard status != 0 else { return }
        // No thread to be had: cutting the connection off needs none.
        self.socket.sever()
        self.isDone.signal()
    }

    /// The answer is there; called once, on the connection's thread.
    ///
    /// Returns when no further kill can be sent.
    func statementHasEnded() {
        self.isAnswered.signal()
        self.isDone.wait()
    }

    private func run() {
        let end = SystemTime.shared.now.advanced(by: Self.grace)
        do throws(SQLError) {
            let handle = try MySQLHandle.connect(self.settings)
            repeat {
                do throws(SQLError) {
                    try handle.command("KILL QUERY \(self.connectionID)")
                } catch  where !error.isLossOfConnection {
                    // No such connection: it has ended, which its own thread will see.
                }
                if self.isAnswered(within: Self.interval) { return }
            } while SystemTime.shared.now < end
            // The server would notice that the connection is cut off only when it has an answer to send.
            try handle.command("KILL CONNECTION \(self.connectionID)")
        } catch {
            let rest = SystemTime.shared.now.duration(to: end)
            if self.isAnswered(within: rest) { return }
        }
        self.socket.sever()
    }

    private func isAnswered(within time: Duration) -> Bool {
        self.isAnswered.wait(timeout: .now() + .nanoseconds(Int(max(0, time.clampedNanoseconds)))) == .success
    }
}
