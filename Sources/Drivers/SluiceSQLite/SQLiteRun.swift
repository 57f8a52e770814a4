// SPDX-License-Identifier: Apache-2.0
import CSQLite
import Sluice
import SluiceSQL
import Synchronization

/// One statement's run, as its task's cancellation and its deadline see it: stopped if it runs, never begun if it waits, and nothing
/// at all once it has ended, so that neither can hit another's statement on the same connection.
///
/// SQLite asks it between its instructions. `sqlite3_interrupt` would not do: SQLite forgets one that comes before the
/// statement's first step.
///
/// - Source: sqlite.org, "Query Progress Callbacks" and `sqlite3_step` of version 3.40.
final class SQLiteRun: Sendable {
    /// How many of SQLite's instructions run between two looks: some 10 µs of work, beside which a look costs nothing.
    private static let instructionsBetweenLooks: Int32 = 1_000

    private let isCancelled = Atomic(false)
    private let context = OperationContext.current

    /// The statement's task was cancelled.
    func cancel() { self.isCancelled.store(true, ordering: .relaxed) }

    private var isLate: Bool {
        guard let context = self.context, context.deadline < .distantFuture else { return false }
        return context.time.now >= context.deadline
    }

    /// Whether the statement must stop.
    private var mustStop: Bool { self.isCancelled.load(ordering: .relaxed) || self.isLate }

    /// Why it was stopped, or never begun.
    var reason: any Error {
        self.isCancelled.load(ordering: .relaxed)
            ? CancellationError() : SQLError(.timeout, message: "the statement was stopped at its deadline")
    }

    /// The statement is about to run.
    ///
    /// - Throws: ``reason`` if it must not.
    func begin(on connection: OpaquePointer) throws {
        if self.mustStop { throw self.reason }
        // Unretained: the caller keeps the run until the statement has ended.
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_progress_handler(
            connection, Self.instructionsBetweenLooks,
            { context in
                guard let context else { return 0 }
                return Unmanaged<SQLiteRun>.fromOpaque(context).takeUnretainedValue().mustStop ? 1 : 0
            }, context)
    }

    /// The statement has ended.
    func end(on connection: OpaquePointer) { sqlite3_progress_handler(connection, 0, nil, nil) }
}
