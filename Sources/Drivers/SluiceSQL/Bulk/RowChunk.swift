// SPDX-License-Identifier: Apache-2.0

/// The rows of a bulk insert, gathered into pieces that are worth a round trip and bounded in memory.
package struct RowChunk {
    /// How many rows one piece holds at most.
    package static let maximumCount = 10_000
    /// How many bytes of values one piece holds at most, about; a larger row is a piece of its own.
    package static let maximumSize = 1 << 20

    private let columnCount: Int
    private let maximumCount: Int
    private var rows: [[SQLValue]] = []
    private var size = 0
    /// How many rows there were in all.
    private var count = 0

    /// Hands the rows over piece by piece, in order.
    ///
    /// - Returns: How many rows there were.
    /// - Throws: ``SQLError`` of kind `statement` if a row has another number of values; what `rows` and `body` throw.
    package static func forEach<Rows: AsyncSequence>(
        of rows: Rows, columnCount: Int, maximumCount: Int = RowChunk.maximumCount,
        _ body: ([[SQLValue]]) async throws -> Void
    ) async throws -> Int where Rows.Element == [SQLValue] {
        var chunk = RowChunk(columnCount: columnCount, maximumCount: maximumCount)
        if let rows = rows as? any ImmediateRows { return try await rows.forEachPiece(&chunk, body) }
        for try await row in rows where try chunk.add(row) { try await chunk.handOver(body) }
        return try await chunk.finish(body)
    }

    fileprivate init(columnCount: Int, maximumCount: Int) {
        self.columnCount = columnCount
        self.maximumCount = maximumCount
    }

    /// Adds a row.
    ///
    /// - Returns: Whether the piece is full.
    fileprivate mutating func add(_ row: [SQLValue]) throws(SQLError) -> Bool {
        self.count += 1
        guard row.count == self.columnCount else {
            throw SQLError(
                .statement, message: "row \(self.count) has \(row.count) values for \(self.columnCount) columns")
        }
        self.rows.append(row)
        for value in row { self.size += value.approximateSize }
        return self.rows.count >= self.maximumCount || self.size >= Self.maximumSize
    }

    fileprivate mutating func handOver(_ body: ([[SQLValue]]) async throws -> Void) async throws {
        try Task.checkCancellation()
        try await body(self.rows)
        self.rows.removeAll(keepingCapacity: true)
        self.size = 0
    }

    fileprivate mutating func finish(_ body: ([[SQLValue]]) async throws -> Void) async throws -> Int {
        try Task.checkCancellation()
        if !self.rows.isEmpty { try await body(self.rows) }
        return self.count
    }
}

extension SQLValue {
    /// About how many bytes it takes on its way to a server.
    fileprivate var approximateSize: Int {
        switch self {
        case .null: 1
        case .integer, .real, .timestamp: 8
        case .text(let text): text.utf8.count
        case .blob(let bytes): bytes.count
        }
    }
}

/// Rows that nobody has to wait for: a step for each of them would cost a tenth of what storing it does.
private protocol ImmediateRows {
    func forEachPiece(_ chunk: inout RowChunk, _ body: ([[SQLValue]]) async throws -> Void) async throws -> Int
}

extension ImmediateSequence: ImmediateRows where Base.Element == [SQLValue] {
    fileprivate func forEachPiece(
        _ chunk: inout RowChunk, _ body: ([[SQLValue]]) async throws -> Void
    ) async throws -> Int {
        for row in self.base where try chunk.add(row) { try await chunk.handOver(body) }
        return try await chunk.finish(body)
    }
}

/// A sequence whose elements are there already.
struct ImmediateSequence<Base: Sequence>: AsyncSequence {
    let base: Base

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.Iterator

        mutating func next(isolation actor: isolated (any Actor)?) async -> Base.Element? { self.base.next() }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeIterator()) }
}
