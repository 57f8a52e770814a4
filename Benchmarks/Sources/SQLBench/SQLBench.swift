// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceSQLite

/// One case of `make bench-sql`, as `sqlbench.py` says it is to be called and what it is to print.
@main
struct SQLBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 10, let tasks = Int(arguments[5]), let connections = Int(arguments[7]),
            let seconds = Double(arguments[9])
        else { fatalError("usage: SQLBench CASE --url URL --tasks N --connections N --seconds S") }
        let bench = try await Bench(url: arguments[3], tasks: tasks, connections: connections, seconds: seconds)
        switch arguments[1] {
        case "row", "one-task", "pipelined": try await bench.measure { try await bench.row($0) }
        case "row-on-executor", "one-task-on-executor":
            try await bench.measure(onExecutor: true) { try await bench.row($0) }
        case "rows100": try await bench.measure { try await bench.rows100($0) }
        case "rows100-on-executor": try await bench.measure(onExecutor: true) { try await bench.rows100($0) }
        case "unpipelined": try await bench.measure { try await bench.rowAlone($0) }
        case "many-in-one-visit": try await bench.manyInOneVisit()
        case "bulk-insert": try await bench.bulkInsert()
        case "acquire-p99": try await bench.acquire()
        default: exit(64)
        }
        await bench.database.close()
    }
}

/// A row of the table, in the language's own values.
struct User: Sendable {
    let id: Int64
    let name: String
    let email: String
    let age: Int64
    let score: Double
    let active: Bool
    let createdAt: Int64

    init(_ row: SQLRow) throws {
        self.id = try row.decode(at: 0)
        self.name = try row.decode(at: 1)
        self.email = try row.decode(at: 2)
        self.age = try row.decode(at: 3)
        self.score = try row.decode(at: 4)
        self.active = try row.decode(at: 5)
        switch row[6] {
        case .timestamp(let value), .integer(let value): self.createdAt = value
        default: throw SQLError(.decoding, message: "created_at is no moment")
        }
    }

    /// Stops the program if any column is not what it should be.
    func check() {
        let created = 1_704_067_200_000_000 + self.id * 1_000_001
        precondition(self.name == "user name \(self.id)" && self.email == "user\(self.id)@example.com")
        precondition(self.age == 18 + self.id % 60 && self.score == Double(self.id) * 0.5)
        precondition(self.active == (self.id % 2 == 0) && self.createdAt == created)
    }
}
