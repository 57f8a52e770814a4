// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL
import Synchronization

/// A statement that the driver prepares under one name on every connection, and what is known of its results.
final class PostgresStatement: Sendable {
    let name: String
    let text: String
    /// The text between the parameters, which the query is known by.
    let pieces: [String]
    /// Whether it changes the session or its transaction, and so is none that others may stand beside.
    let changesSession: Bool
    /// Whether its session is not to be anybody else's afterwards.
    let marksSession: Bool
    /// Whether it would take the connection out of the mode in which it can be used.
    let isCopy: Bool
    private let known = Mutex<PostgresColumns?>(nil)

    init(name: String, _ query: SQLQuery) {
        self.name = name
        self.text = query.text(for: .postgres)
        self.pieces = query.pieces
        let word = query.firstWord
        self.changesSession = Self.sessionWords.contains(word)
        self.marksSession = query.marksSession
        self.isCopy = word == "COPY"
    }

    private static let sessionWords: Set<String> = [
        "ABORT", "BEGIN", "CLOSE", "COMMIT", "DEALLOCATE", "DECLARE", "DISCARD", "END", "EXECUTE", "FETCH", "LISTEN",
        "LOAD",
        "LOCK", "MOVE", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SET", "START", "UNLISTEN",
    ]

    /// The columns of a description or a result; the same object as long as they are the same on every connection.
    func columns(_ result: OpaquePointer) -> PostgresColumns {
        if let columns = self.known.withLock({ $0 }), columns.describe(result) { return columns }
        let columns = PostgresColumns(result)
        self.known.withLock { $0 = columns }
        return columns
    }
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
            let statement = PostgresStatement(name: "s\(state.lastNumber)", query)
            state.statements[query.pieces] = statement
            return statement
        }
    }

    /// A statement's name is used no more: where it is taken, it stands for something that is out of date.
    func retire(_ statement: PostgresStatement) {
        self.state.withLock { state in
            guard state.statements[statement.pieces] === statement else { return }
            state.statements[statement.pieces] = nil
        }
    }
}
