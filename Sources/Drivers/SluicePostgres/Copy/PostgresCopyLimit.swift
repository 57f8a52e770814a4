// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// Ends a copy that was cancelled and goes on, since libpq blocks for as long as the network lets it wait.
final class PostgresCopyLimit: Sendable {
    private let socket: Int32
    private let time: any TimeSource
    /// The alarm, once it is set; and whether the copy has ended.
    private let state = Mutex<(alarm: TimerToken?, isOver: Bool)>((nil, false))

    init(socket: Int32, time: any TimeSource) {
        self.socket = socket
        self.time = time
    }

    /// Lets the copy go on for so long.
    func begin(_ grace: Duration) {
        let alarm = self.time.schedule(at: self.time.now.advanced(by: grace)) {
            // Under the lock, since after the end the socket's number may be another's.
            self.state.withLock { state in
                if !state.isOver { PostgresSocket.shutDown(self.socket, .both) }
            }
        }
        self.state.withLock { $0.alarm = alarm }
    }

    func end() {
        let alarm = self.state.withLock { state in
            state.isOver = true
            return state.alarm
        }
        if let alarm { self.time.cancel(alarm) }
    }
}
