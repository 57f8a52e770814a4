// SPDX-License-Identifier: Apache-2.0
import CSQLite
import Synchronization

/// One statement's run, as its task's cancellation sees it: stopped if it runs, never begun if it waits, and nothing at all once
/// it has ended, so that no cancellation can hit another's statement on the same connection.
///
/// SQLite asks it between its instructions. `sqlite3_interrupt` would not do: SQLite forgets one that comes before the
/// statement's first step.
///
/// - Source: sqlite.org, "Query Progress Callbacks" and `sqlite3_step` of version 3.40.
final class SQLiteRun: Sendable {
    /// How many of SQLite's instructions run between two looks: some 10 µs of work, beside which a look costs nothing.
    private static let instructionsBetweenLooks: Int32 = 1_000

    private let isCancelled = Atomic(false)

    /// The statement's task was cancelled.
    func cancel() { self.isCancelled.store(true, ordering: .relaxed) }

    /// The statement is about to run.
    ///
    /// - Throws: `CancellationError` if its task was cancelled.
    func begin(on connection: OpaquePointer) throws {
        if self.isCancelled.load(ordering: .relaxed) { throw CancellationError() }
        // Unretained: the caller keeps the run until the statement has ended.
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_progress_handler(
            connection, Self.instructionsBetweenLooks,
            { context in
                guard let context else { return 0 }
                let run = Unmanaged<SQLiteRun>.fromOpaque(context).takeUnretainedValue()
                return run.isCancelled.load(ordering: .relaxed) ? 1 : 0
            }, context)
    }

    /// The statement has ended.
    func end(on connection: OpaquePointer) { sqlite3_progress_handler(connection, 0, nil, nil) }
}
