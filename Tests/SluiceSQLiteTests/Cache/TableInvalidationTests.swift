// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@Suite("Invalidations through a table", .timeLimit(.minutes(5)))
struct TableInvalidationTests {
    /// A channel that looks into its table once a second of virtual time, and what it has heard.
    private struct Listener {
        let database: Database
        let channel: TableInvalidationChannel
        let time: VirtualTime
        let heard: Locked<[CacheInvalidation]>

        /// Lets it look once and returns what it has heard since the last time.
        func look() async -> [CacheInvalidation] {
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(1))
            // The next alarm is set when it has looked.
            await self.time.waitForAlarms(1)
            return self.take()
        }

        func take() -> [CacheInvalidation] {
            self.heard.withLock { heard in
                defer { heard = [] }
                return heard
            }
        }

        /// Notes that others have written: a table's name for each, under numbers from `first`.
        func write(_ tables: [String], from first: Int, into name: String = "sluice_invalidations") async throws {
            let rows = tables.enumerated().map { index, table in
                [SQLValue.integer(Int64(first + index)), .text("other"), .text(Self.note(table))]
            }
            try await self.database.bulkInsert(into: name, columns: ["id", "sender", "note"], rows)
        }

        private static func note(_ table: String) -> String {
            #"{"tables":["\#(table)"],"tags":[],"keys":[],"isEverything":false}"#
        }
    }

    private static func listening(_ body: @Sendable (Listener) async throws -> Void) async throws {
        try await withDatabase { database, _ in
            let time = VirtualTime()
            let channel = try await TableInvalidationChannel(database, interval: .seconds(1), time: time)
            let heard = Locked<[CacheInvalidation]>([])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await channel.subscribe { change in heard.withLock { $0.append(change) } } }
                let listener = Listener(database: database, channel: channel, time: time, heard: heard)
                await time.waitForAlarms(1)
                // What was before is not known.
                #expect(listener.take() == [.everything])
                try await body(listener)
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
        }
    }

    @Test("a note that was numbered before another and committed after it is heard, and each note once")
    func late() async throws {
        try await Self.listening { listener in
            try await listener.write(["b"], from: 900)
            #expect(await listener.look() == [CacheInvalidation(tables: ["b"])])
            try await listener.write(["a"], from: 7)
            #expect(await listener.look() == [CacheInvalidation(tables: ["a"])])
            #expect(await listener.look() == [])
        }
    }

    @Test("more notes than are read at once are taken for everything, and those after them are heard")
    func flood() async throws {
        try await Self.listening { listener in
            try await listener.write((0..<2_500).map { "t\($0)" }, from: 1)
            #expect(await listener.look().contains(.everything))
            try await listener.write(["after"], from: 2_501)
            #expect(await listener.look() == [CacheInvalidation(tables: ["after"])])
        }
    }

    @Test("of the notes only the last ten thousand are kept")
    func removal() async throws {
        try await Self.listening { listener in
            try await listener.write((0..<10).map { "old\($0)" }, from: 1)
            try await listener.write(["new"], from: 50_000)
            for _ in 0..<1_000 { await listener.channel.publish(CacheInvalidation(tags: ["t"])) }
            let kept = try await listener.database.rows("SELECT min(id), count(*) FROM sluice_invalidations")
            #expect(try kept[0].decode((Int, Int).self) == (50_000, 1_001))
        }
    }

    @Test("after the table could not be read everything is taken for invalid")
    func unreadable() async throws {
        try await Self.listening { listener in
            _ = try await listener.database.execute("ALTER TABLE sluice_invalidations RENAME TO gone")
            #expect(await listener.look() == [])
            try await listener.write(["lost"], from: 3, into: "gone")
            _ = try await listener.database.execute("ALTER TABLE gone RENAME TO sluice_invalidations")
            #expect(await listener.look() == [.everything])
            try await listener.write(["heard"], from: 4)
            #expect(await listener.look() == [CacheInvalidation(tables: ["heard"])])
        }
    }

    @Test("what could not be noted makes a later note say everything, without being asked")
    func unwritable() async throws {
        try await Self.listening { listener in
            let other = try await TableInvalidationChannel(listener.database, interval: .seconds(1))
            _ = try await listener.database.execute("ALTER TABLE sluice_invalidations RENAME TO gone")
            await other.publish(CacheInvalidation(tables: ["lost"]))
            await listener.channel.publish(CacheInvalidation(tables: ["lost"]))
            _ = try await listener.database.execute("ALTER TABLE gone RENAME TO sluice_invalidations")
            // One that publishes says it then; one that only listens says it at its next look.
            await other.publish(CacheInvalidation(tables: ["small"]))
            #expect(await listener.look().contains(.everything))
            _ = await listener.look()
            let notes = try await listener.database.rows("SELECT note FROM sluice_invalidations")
            #expect(notes.count == 2)
            for note in notes { #expect(try note.decode(at: 0, as: String.self).contains(#""isEverything":true"#)) }
        }
    }

    @Test("a note that is not understood, or was too long to be written, is taken for everything")
    func unknown() async throws {
        try await Self.listening { listener in
            _ = try await listener.database.execute(
                "INSERT INTO sluice_invalidations (sender, note) VALUES ('newer', '{\"schemas\":[1]}')")
            #expect(await listener.look() == [.everything])
            let other = try await TableInvalidationChannel(listener.database)
            await other.publish(CacheInvalidation(keys: [String(repeating: "k", count: 70_000)]))
            #expect(await listener.look() == [.everything])
        }
    }
}
