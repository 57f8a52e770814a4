// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL
import Synchronization

/// A statement that the driver prepares under one name on every connection, and what is known of its results.
final class PostgresStatement: Sendable {
    let name: String
    let text: String
    /// Whether it changes the session or its transaction, and so is none that others may stand beside.
    let changesSession: Bool
    private let known = Mutex<PostgresColumns?>(nil)

    init(name: String, text: String) {
        self.name = name
        self.text = text
        let word = text.drop { !$0.isLetter }.prefix { $0.isLetter }.uppercased()
        self.changesSession = Self.sessionWords.contains(word)
    }

    private static let sessionWords: Set<String> = [
        "ABORT", "BEGIN", "CLOSE", "COMMIT", "DEALLOCATE", "DECLARE", "DISCARD", "END", "EXECUTE", "FETCH", "LISTEN",
        "LOAD",
        "LOCK", "MOVE", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SET", "START", "UNLISTEN",
    ]

    /// The columns of its results, once some connection was told them.
    var columns: PostgresColumns? { self.known.withLock { $0 } }

    /// Takes note of the columns, as of a description or a result; the same object as long as they are the same.
    func note(_ result: OpaquePointer) -> PostgresColumns {
        if let columns = self.columns, columns.describe(result) { return columns }
        let columns = PostgresColumns(result)
        self.known.withLock { $0 = columns }
        return columns
    }

    /// The table was changed: nothing is known any more.
    func forget() { self.known.withLock { $0 = nil } }
}

/// The statements of all of a driver's connections.
final class PostgresStatements: Sendable {
    /// So many are known; then all are forgotten, since texts do not contain values and so are rarely more.
    static let limit = 1_000

    private struct State {
        var statements: [[String]: PostgresStatement] = [:]
        var lastNumber = 0
    }

    private let state = Mutex(State())

    /// The statement of a query's text.
    func statement(for query: SQLQuery) -> PostgresStatement {
        self.state.withLock { state in
            if let statement = state.statements[query.pieces] { return statement }
            if state.statements.count >= Self.limit { state.statements = [:] }
            state.lastNumber += 1
            // Names are never used twice, so a connection that still has an old one is not confused.
            let statement = PostgresStatement(name: "s\(state.lastNumber)", text: query.text(for: .postgres))
            state.statements[query.pieces] = statement
            return statement
        }
    }
}
