// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

/// Tests that take many connections or much time; one after the other, since all share one server and few cores.
@Suite("PostgreSQL, reliably", .serialized, .timeLimit(.minutes(5)))
struct Reliability {}

/// Where the tests' common server listens.
func sharedAddress() throws -> (host: String, port: Int) {
    let address = try PostgresPrograms.variable("SLUICE_TEST_POSTGRES").split(separator: ":")
    return (String(address[0]), try #require(Int(address[1])))
}

/// The URL of the tests' common server.
///
/// - Parameters:
///   - application: What the sessions are called at the server.
///   - port: A proxy's, or the server's own if nil.
func sharedURL(_ application: String = "sluice", port: Int? = nil) throws -> String {
    let (host, own) = try sharedAddress()
    return "postgres://sluice@\(host):\(port ?? own)/postgres?application_name=\(application)"
}

/// Opens a database as long as `body` runs.
func withDatabase<Value>(
    _ url: String, pool: PoolSettings = PoolSettings(size: 4, overflow: 2), timeout: Duration = .seconds(30),
    time: any TimeSource = SystemTime.shared, _ body: (Database) async throws -> Value
) async throws -> Value {
    let database = try await Database.open(
        url, drivers: [PostgresDriver.self], pool: pool, timeout: timeout, time: time)
    do {
        let value = try await body(database)
        await database.close()
        return value
    } catch {
        await database.close()
        throw error
    }
}

/// A database on the tests' common server.
func withPostgres<Value>(
    _ application: String = "sluice", pool: PoolSettings = PoolSettings(size: 4, overflow: 2),
    timeout: Duration = .seconds(30), _ body: (Database) async throws -> Value
) async throws -> Value {
    try await withDatabase(try sharedURL(application), pool: pool, timeout: timeout, body)
}

/// A table of one test's own.
func withTable<Value>(
    _ database: Database, _ columns: SQLQuery, _ body: (SQLIdentifier) async throws -> Value
) async throws -> Value {
    let table = try SQLIdentifier(uniqueName("t"))
    _ = try await database.execute("CREATE TABLE \(table) (\(columns))")
    do {
        let value = try await body(table)
        _ = try await database.execute("DROP TABLE \(table)")
        return value
    } catch {
        _ = try? await database.execute("DROP TABLE IF EXISTS \(table)")
        throw error
    }
}

/// A name that nothing else has.
func uniqueName(_ prefix: String) -> String {
    "\(prefix)_\(UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "").prefix(16))"
}

/// How many sessions with a name the server has, of all states or of one.
func sessionCount(_ application: String, state: String? = nil, on database: Database) async throws -> Int {
    try await database.scalar(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = \(application) AND (state = \(state) OR \(state)::text IS NULL)
        """)
}

/// What a condition that never came about was to be.
struct NeverHappened: Error {
    let what: String
}

/// Waits for a condition that others bring about; a minute is a bound and not an expectation.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    let limit = SystemTime.shared.now.advanced(by: .seconds(60))
    while try await !condition() {
        guard SystemTime.shared.now < limit else { throw NeverHappened(what: what) }
        await Task.yield()
    }
}

/// Waits until nothing of a database's pool is lent.
func untilNothingIsLent(_ database: Database) async throws {
    try await until("every connection is given back") {
        let status = try #require(database.postgres).poolStatus
        return status.leases == 0 && status.waiting == 0
    }
}

/// The error that `body` throws.
func failure(_ body: () async throws -> Void) async -> (any Error)? {
    do {
        try await body()
        return nil
    } catch {
        return error
    }
}
