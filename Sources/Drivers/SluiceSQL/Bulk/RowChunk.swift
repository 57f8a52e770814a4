// SPDX-License-Identifier: Apache-2.0

/// Gathers the rows of a bulk insert into pieces that are worth a round trip and bounded in memory.
package enum RowChunk {
    /// How many rows one piece holds at most.
    package static let maximumCount = 10_000
    /// How many bytes of values one piece holds at most, about; a larger row is a piece of its own.
    package static let maximumSize = 1 << 20

    /// Hands the rows over piece by piece, in order.
    ///
    /// - Returns: How many rows there were.
    /// - Throws: ``SQLError`` of kind `statement` if a row has another number of values; what `rows` and `body` throw.
    package static func forEach<Rows: AsyncSequence>(
        of rows: Rows, columnCount: Int, maximumCount: Int = RowChunk.maximumCount,
        _ body: ([[SQLValue]]) async throws -> Void
    ) async throws -> Int where Rows.Element == [SQLValue] {
        var chunk: [[SQLValue]] = []
        var (size, count) = (0, 0)
        for try await row in rows {
            guard row.count == columnCount else {
                throw SQLError(
                    .statement, message: "row \(count + 1) has \(row.count) values for \(columnCount) columns")
            }
            chunk.append(row)
            count += 1
            for value in row { size += value.approximateSize }
            guard chunk.count >= maximumCount || size >= Self.maximumSize else { continue }
            try Task.checkCancellation()
            try await body(chunk)
            chunk.removeAll(keepingCapacity: true)
            size = 0
        }
        try Task.checkCancellation()
        if !chunk.isEmpty { try await body(chunk) }
        return count
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

/// A sequence whose elements are there already.
struct ImmediateSequence<Base: Sequence>: AsyncSequence {
    let base: Base

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.Iterator

        mutating func next(isolation actor: isolated (any Actor)?) async -> Base.Element? { self.base.next() }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeIterator()) }
}
