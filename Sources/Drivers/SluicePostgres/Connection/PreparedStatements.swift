// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// What is prepared on one connection; those used longest ago make room.
struct PreparedStatements {
    private struct Entry {
        let statement: PostgresStatement
        /// The columns of its results here, once they were asked for: while it stays prepared they stay as they are.
        var columns: PostgresColumns?
        var lastUse: Int
    }

    /// How many statements stay prepared on one connection.
    static let limit = 256

    /// By the query's text.
    private var entries: [[String]: Entry] = [:]
    private var useCount = 0
    /// Names that the server still knows and that are used no more.
    private var waste: [String] = []

    /// The statement that a query is prepared as, and its columns if they are known.
    mutating func use(_ query: SQLQuery) -> (statement: PostgresStatement, columns: PostgresColumns?)? {
        guard let index = self.entries.index(forKey: query.pieces) else { return nil }
        self.useCount += 1
        self.entries.values[index].lastUse = self.useCount
        return (self.entries.values[index].statement, self.entries.values[index].columns)
    }

    /// Takes note of a statement that is about to be prepared.
    ///
    /// - Returns: The names to deallocate before.
    mutating func add(_ statement: PostgresStatement) -> [String] {
        if self.entries.count >= Self.limit, let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            self.entries[oldest.key] = nil
            self.waste.append(oldest.value.statement.name)
        }
        self.useCount += 1
        self.entries[statement.pieces] = Entry(statement: statement, lastUse: self.useCount)
        defer { self.waste = [] }
        return self.waste
    }

    /// Takes note of a statement's columns.
    mutating func note(_ columns: PostgresColumns, of statement: PostgresStatement) {
        guard self.entries[statement.pieces]?.statement === statement else { return }
        self.entries[statement.pieces]?.columns = columns
    }

    /// A statement is not prepared after all, or is not to be used any more.
    mutating func remove(_ statement: PostgresStatement, isKnownToServer: Bool = false) {
        // Another may have prepared the query anew in between.
        guard self.entries[statement.pieces]?.statement === statement else { return }
        self.entries[statement.pieces] = nil
        if isKnownToServer { self.waste.append(statement.name) }
    }
}
