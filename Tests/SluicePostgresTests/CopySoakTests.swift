// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

@Suite("A copy from one connection to another", .timeLimit(.minutes(60)))
struct CopySoakTests {
    @Test("of much data, with as much said beside it, takes no more memory than its pieces")
    func through() async throws {
        try await withPostgres { source in
            try await withPostgres { target in
                let from = try #require(source.postgres)
                let count = copyMegabytes * 250
                try await withTable(target, "id int, filler text") { table in
                    let function = try SQLIdentifier(uniqueName("talk"))
                    _ = try await source.execute(
                        """
                        CREATE FUNCTION \(function)(i int) RETURNS int LANGUAGE plpgsql AS
                        $$ BEGIN RAISE NOTICE '%', repeat('x', 1000); RETURN i; END $$
                        """)
                    let before = try Self.residentBytes()
                    let (copied, most) = try await from.copyOut(
                        "SELECT \(function)(i), repeat('y', 3000) FROM generate_series(1, \(count)::int) AS i"
                    ) { chunks in
                        let lines = Lines(chunks: chunks.makeAsyncIterator())
                        let copied = try await target.bulkInsert(
                            into: table.name, columns: ["id", "filler"], timeout: .seconds(3_600), lines)
                        return (copied, try Self.residentBytes())
                    }
                    #expect(copied == count)
                    // Only alone, since other tests take memory too.
                    if copyMegabytes >= 128 { #expect(most - before < 100 << 20, "\((most - before) >> 20) MB") }
                    let sum: Int = try await target.scalar(
                        "SELECT (sum(id::int8) + sum(length(filler)))::int8 FROM \(table)")
                    #expect(sum == count * (count + 1) / 2 + count * 3_000)
                    _ = try await source.execute("DROP FUNCTION \(function)(int)")
                }
            }
        }
    }

    /// How much memory the process has.
    private static func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try #require(Int(fields[1])) * 4_096
    }

    /// The rows of a copy in text form.
    private struct Lines: AsyncSequence {
        let chunks: PostgresCopyChunks.AsyncIterator

        struct AsyncIterator: AsyncIteratorProtocol {
            var chunks: PostgresCopyChunks.AsyncIterator
            var rows: [[SQLValue]] = []

            mutating func next() async throws -> [SQLValue]? {
                while self.rows.isEmpty {
                    guard let chunk = try await self.chunks.next() else { return nil }
                    self.rows = chunk.split(separator: 0x0A).reversed().map { line in
                        line.split(separator: 0x09).map { .text(String(decoding: $0, as: UTF8.self)) }
                    }
                }
                return self.rows.removeLast()
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(chunks: self.chunks) }
    }
}
