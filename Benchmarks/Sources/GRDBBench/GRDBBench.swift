// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import Synchronization

/// GRDB's half of the SQLite cases, with SQLBench's command line, rows, checks and answer (`sqlbench.py` describes them).
///
/// - `row`: an asynchronous `pool.read` for each select, from all tasks.
/// - `many-in-one-visit`: one `pool.read` in which one select follows the other.
/// - `bulk-insert`: 100,000 inserts in one `pool.write`.
@main
enum GRDBBench {
    /// What the tasks of one run share.
    private final class Progress: Sendable {
        let count = Atomic(0)
        let isStopped = Atomic(false)
    }

    static let rowCount: Int64 = 100_000
    static let lastID: Int64 = 99_901
    static let warmUp = Duration.milliseconds(300)
    static let unsupported: Int32 = 64

    static func main() async throws {
        guard let options = Options(CommandLine.arguments) else {
            fail("usage: GRDBBench CASE --url sqlite:PATH --tasks N --connections N --seconds S")
        }
        var configuration = Configuration()
        configuration.maximumReaderCount = options.connections
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
        let pool = try DatabasePool(path: options.path, configuration: configuration)
        let answer: Answer
        switch options.name {
        case "row": answer = try await reads(pool, options)
        case "many-in-one-visit": answer = try await readsInOneVisit(pool, options)
        case "bulk-insert": answer = try await inserts(pool)
        default: fail("unsupported", status: unsupported)
        }
        try pool.close()
        print(String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    }

    static func reads(_ pool: DatabasePool, _ options: Options) async throws -> Answer {
        try await pool.read { try User.check($0) }
        let progress = Progress()
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            for seed in 0..<options.tasks {
                group.addTask {
                    var generator = SplitMix(seed: UInt64(seed))
                    while !progress.isStopped.load(ordering: .relaxed) {
                        let id = Int64.random(in: 1...lastID, using: &generator)
                        let user = try await pool.read { try User.read($0, id: id) }
                        precondition(user.id == id, "not the row asked for")
                        progress.count.add(1, ordering: .relaxed)
                    }
                    return nil
                }
            }
            group.addTask {
                try await Task.sleep(for: warmUp)
                let before = progress.count.load(ordering: .relaxed)
                let meter = Meter()
                try await Task.sleep(for: .seconds(options.seconds))
                let answer = meter.answer(progress.count.load(ordering: .relaxed) - before)
                progress.isStopped.store(true, ordering: .relaxed)
                return answer
            }
            // A reader that throws ends the run here.
            guard let answer = try await group.reduce(nil, { $0 ?? $1 }) else { fail("no answer") }
            return answer
        }
    }

    static func readsInOneVisit(_ pool: DatabasePool, _ options: Options) async throws -> Answer {
        try await pool.read { database in
            try User.check(database)
            var generator = SplitMix(seed: 1)
            func reads(for duration: Duration) throws -> Int {
                let end = ContinuousClock.now + duration
                var count = 0
                // Looks at the clock every 64th time: one look is a hundredth of a read.
                while count % 64 != 0 || ContinuousClock.now < end {
                    let id = Int64.random(in: 1...lastID, using: &generator)
                    let user = try User.read(database, id: id)
                    precondition(user.id == id, "not the row asked for")
                    count += 1
                }
                return count
            }
            _ = try reads(for: warmUp)
            let meter = Meter()
            return meter.answer(try reads(for: .seconds(options.seconds)))
        }
    }

    static func inserts(_ pool: DatabasePool) async throws -> Answer {
        let users = (1...rowCount).map(User.expected)
        let meter = Meter()
        try await pool.write { database in
            let statement = try database.cachedStatement(sql: "INSERT INTO inserted VALUES (?, ?, ?, ?, ?, ?, ?)")
            for user in users { try statement.execute(arguments: user.arguments) }
        }
        return meter.answer(Int(rowCount))
    }

    static func fail(_ message: String, status: Int32 = 1) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(status)
    }
}
