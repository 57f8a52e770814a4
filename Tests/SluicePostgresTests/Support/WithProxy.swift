// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting

/// A database that is reached through a proxy.
func withProxy<Value: Sendable>(
    _ application: String = "sluice", pool: PoolSettings = PoolSettings(size: 4, overflow: 2),
    timeout: Duration = .seconds(30), time: any TimeSource = SystemTime.shared,
    _ body: (Database, FaultProxy) async throws -> Value
) async throws -> Value {
    let (host, port) = try sharedAddress()
    return try await FaultProxy.run(upstream: host, port: port) { proxy in
        let url = try sharedURL(application, port: proxy.port)
        return try await withDatabase(url, pool: pool, timeout: timeout, time: time) { database in
            // The proxy is let go of first, or closing would wait for what it holds back.
            defer { proxy.set(.pass) }
            return try await body(database, proxy)
        }
    }
}
