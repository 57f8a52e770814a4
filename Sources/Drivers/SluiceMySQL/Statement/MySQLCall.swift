// SPDX-License-Identifier: Apache-2.0
import SluiceSQL
import Synchronization

/// One single statement, from when it is asked for until its answer is there, so that it can be cancelled wherever it is.
final class MySQLCall: Sendable {
    private enum Place {
        case nowhere
        /// In the pool's queue; calling the closure takes it out.
        case queue(@Sendable () -> Void)
        case connection(MySQLConnection)
    }

    let query: SQLQuery
    let run = MySQLWatch.Run()
    private let place = Mutex(Place.nowhere)

    init(_ query: SQLQuery) {
        self.query = query
    }

    /// It waits for a connection, unless it has got one meanwhile.
    func waits(_ leave: @escaping @Sendable () -> Void) {
        self.place.withLock { if case .nowhere = $0 { $0 = .queue(leave) } }
        // Cancelled before anybody knew where it was.
        if self.run.isCancelled.load(ordering: .sequentiallyConsistent) { leave() }
    }

    /// It is in the hands of a connection.
    func runs(_ connection: MySQLConnection) {
        self.place.withLock { $0 = .connection(connection) }
    }

    func cancel() {
        self.run.isCancelled.store(true, ordering: .sequentiallyConsistent)
        switch self.place.withLock({ $0 }) {
        // Whoever places it sees that it was cancelled.
        case .nowhere: break
        case .queue(let leave): leave()
        case .connection(let connection): connection.cancel(self.run)
        }
    }
}
