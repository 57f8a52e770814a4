// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceRedis
import Synchronization
import Testing

/// The server that `make test` starts.
struct TestServer {
    let host: String
    let port: Int

    init() throws {
        let address = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_REDIS"], "SLUICE_TEST_REDIS is not set; run make test")
        let parts = address.split(separator: ":")
        self.host = String(try #require(parts.first))
        self.port = try #require(parts.last.flatMap { Int($0) })
    }

    var url: String { "redis://\(self.host):\(self.port)" }

    /// Lends a client and a prefix that nobody else has, and leaves no key that begins with it.
    func withRedis<Value: Sendable>(
        _ configuration: RedisConfiguration = .patient(), port: Int? = nil,
        _ body: (Redis, String) async throws -> Value
    ) async throws -> Value {
        let prefix = "test:\(UUID().uuidString):"
        let redis = try Redis("redis://\(self.host):\(port ?? self.port)", configuration: configuration)
        let result: Result<Value, any Error>
        do { result = .success(try await body(redis, prefix)) } catch { result = .failure(error) }
        await redis.close()
        let cleaner = try Redis(self.url, configuration: .patient())
        try await cleaner.forEachKey(withPrefix: prefix) { try await cleaner.delete($0) }
        await cleaner.close()
        return try result.get()
    }
}

extension RedisConfiguration {
    /// Limits that a machine under load keeps too, where a test is not about limits.
    static func patient(_ change: (inout RedisConfiguration) -> Void = { _ in }) -> RedisConfiguration {
        var configuration = RedisConfiguration(timeout: .seconds(200), connectTimeout: .seconds(200))
        change(&configuration)
        return configuration
    }
}

extension Redis {
    /// The number by which the server knows the connection that is in use.
    func connectionID() async throws -> Int64 {
        try #require(try await self.send("CLIENT", ["ID"], isIdempotent: true).integer)
    }
}

/// Waits until something is so, asking again and again; the suite's time limit ends a wait in vain.
func until(_ condition: () async throws -> Bool) async throws {
    while try await !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}

/// What several tasks of a test write to.
final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { self.state = Mutex(value) }

    var value: Value { self.state.withLock { $0 } }

    func change(_ body: (inout Value) -> Void) {
        self.state.withLock { body(&$0) }
    }
}
