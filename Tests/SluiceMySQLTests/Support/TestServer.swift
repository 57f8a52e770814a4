// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

/// The MariaDB that `make test` starts, which knows `root` and no password.
enum TestServer {
    /// How many tests have a database at once: 16, so that all their connections are fewer than the server's 151.
    static let places = ResourcePool("test.places", (0..<16).map { _ in Place() })

    final class Place: Sendable {}

    /// Its address, as `host:port`.
    static func address() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_MARIADB"], "SLUICE_TEST_MARIADB is not set; run make test")
    }

    static func open(
        _ name: String = "", parameters: String = "", pool: PoolSettings = PoolSettings(),
        timeout: Duration = .seconds(30)
    ) async throws -> Database {
        try await Database.open(
            "mariadb://root@\(try Self.address())/\(name)\(parameters)", drivers: [MySQLDriver.self], pool: pool,
            timeout: timeout)
    }
}

/// Runs `body` with a database of its own, dropped afterwards.
func withDatabase<Value>(
    pool: PoolSettings = PoolSettings(), timeout: Duration = .seconds(30),
    _ body: (_ database: Database, _ name: String) async throws -> Value
) async throws -> Value {
    try await TestServer.places.withResource { _ in
        try await withDatabaseHere(pool: pool, timeout: timeout, body)
    }
}

private func withDatabaseHere<Value>(
    pool: PoolSettings, timeout: Duration, _ body: (_ database: Database, _ name: String) async throws -> Value
) async throws -> Value {
    let name = "sluice_\(UUID().uuidString.lowercased().split(separator: "-").joined())"
    let server = try await TestServer.open()
    _ = try await server.execute("CREATE DATABASE \(identifier: name) CHARACTER SET utf8mb4")
    let result: Result<Value, any Error>
    do {
        let database = try await TestServer.open(name, pool: pool, timeout: timeout)
        do {
            result = .success(try await body(database, name))
        } catch {
            result = .failure(error)
        }
        await database.close()
    } catch {
        result = .failure(error)
    }
    _ = try await server.execute("DROP DATABASE \(identifier: name)")
    await server.close()
    return try result.get()
}

/// Runs `body` with one connection to a database of its own; not on the connection's thread, so that statements can be stopped.
func withConnection<Value>(_ body: (MySQLConnection) async throws -> Value) async throws -> Value {
    try await withDatabase { _, name in
        try await withConnection(to: name, body)
    }
}

/// Runs `body` with one more connection to a database.
func withConnection<Value>(to name: String, _ body: (MySQLConnection) async throws -> Value) async throws -> Value {
    let settings = try MySQLSettings(DatabaseURL("mysql://root@\(try TestServer.address())/\(name)"))
    let connection = try await MySQLConnection.open(settings)
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(connection))
    } catch {
        result = .failure(error)
    }
    await connection.close()
    return try result.get()
}

extension SQLExecutor {
    /// Asks until the answer is 1; each time is a round trip.
    func wait(until condition: SQLQuery) async throws {
        while try await self.scalar(condition, as: Int.self) != 1 { await Task.yield() }
    }

    /// Waits until a connection runs a statement that contains `text`.
    func wait(for text: String, on connection: UInt) async throws {
        try await self.wait(
            until: """
                SELECT count(*) FROM information_schema.processlist
                WHERE id = \(Int(connection)) AND info LIKE \("%\(text)%") AND state <> ''
                """)
    }
}

extension Task where Failure == any Error {
    /// What the task returned, or nil if it was cancelled before it had anything to return.
    var valueUnlessCancelled: Success? {
        get async throws {
            do { return try await self.value } catch is CancellationError { return nil }
        }
    }
}

/// Opens a database as long as `body` runs.
func withDatabase<Value>(
    at url: String, pool: PoolSettings = PoolSettings(size: 4, overflow: 2), timeout: Duration = .seconds(30),
    _ body: (Database) async throws -> Value
) async throws -> Value {
    let database = try await Database.open(url, drivers: [MySQLDriver.self], pool: pool, timeout: timeout)
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(database))
    } catch {
        result = .failure(error)
    }
    await database.close()
    return try result.get()
}

/// A database of one test's own that is reached through a proxy, and the same directly.
func withProxy<Value: Sendable>(
    pool: PoolSettings = PoolSettings(size: 4, overflow: 2), timeout: Duration = .seconds(30),
    parameters: String = "", _ body: (_ database: Database, _ other: Database, FaultProxy) async throws -> Value
) async throws -> Value {
    try await withDatabase { other, name in
        let address = try TestServer.address().split(separator: ":")
        return try await FaultProxy.run(
            upstream: String(address[0]), port: try #require(Int(address[1]))
        ) { proxy in
            let url = "mariadb://root@127.0.0.1:\(proxy.port)/\(name)\(parameters)"
            return try await withDatabase(at: url, pool: pool, timeout: timeout) { database in
                // The proxy is let go of first, or closing would wait for what it holds back.
                defer { proxy.set(.pass) }
                return try await body(database, other, proxy)
            }
        }
    }
}

/// Waits until nothing of a database's pool is lent; a minute is a bound and not an expectation.
func untilNothingIsLent(_ database: Database) async throws {
    let driver = try #require(database.driver as? MySQLDriver)
    let limit = SystemTime.shared.now.advanced(by: .seconds(60))
    while driver.poolStatus.leases > 0 || driver.poolStatus.waiting > 0 {
        try #require(SystemTime.shared.now < limit, "\(driver.poolStatus)")
        await Task.yield()
    }
}

/// Opens every connection that a pool of four may keep.
func fill(_ database: Database) async throws {
    let gate = Gate()
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 { group.addTask { try await database.read { _ in try await gate.pass() } } }
        await gate.waitForArrivals(4)
        gate.open()
        try await group.waitForAll()
    }
    try await untilNothingIsLent(database)
}

/// Runs statements and transactions at once, none of which may fail.
func use(_ database: Database) async throws {
    try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<50 {
            group.addTask { try await database.scalar("SELECT \(number)") - number }
            group.addTask { try await database.read { try await $0.scalar("SELECT \(number)") } - number }
        }
        for try await difference in group { #expect(difference == 0) }
    }
}
