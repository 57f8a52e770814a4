// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSQL
import SluiceSQLite

/// Runs `body` with a database file of its own, closed and removed afterwards.
func withDatabase<Value>(
    timeout: Duration = .seconds(30), observer: (any PolicyObserver)? = nil,
    _ body: (_ database: Database, _ path: String) async throws -> Value
) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("test.db").path
    let database = try await Database.open(
        "sqlite:\(path)", drivers: [SQLiteDriver.self], timeout: timeout, observer: observer)
    do {
        let value = try await body(database, path)
        await database.close()
        return value
    } catch {
        await database.close()
        throw error
    }
}
