// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Foundation
import NIOCore
import Sluice
import SluiceHTTP
import Synchronization

/// Fetches a URL over and over, and prints calls a second and microseconds of processor time a call, as JSON.
///
/// `HTTPClientBench bare|sluice URL TASKS SECONDS BYTES`; every answer must have so many bytes.
@main
struct HTTPClientBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 6, let tasks = Int(arguments[3]), let seconds = Double(arguments[4]),
            let bytes = Int(arguments[5])
        else { fatalError("HTTPClientBench bare|sluice URL TASKS SECONDS BYTES") }
        let url = arguments[2]
        switch arguments[1] {
        case "bare":
            var configuration = HTTPClient.Configuration()
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
            try await Self.measure(tasks, seconds) {
                let reply = try await client.execute(HTTPClientRequest(url: url), deadline: .now() + .seconds(30))
                let body = try await reply.body.collect(upTo: 1 << 20)
                precondition(reply.status == .ok && body.readableBytes == bytes)
            }
            try await client.shutdown()
        case "sluice":
            let settings = HTTPTransportSettings(
                rules: AddressRules(allowsPrivateAddresses: true), maximumConnectionsPerHost: 64)
            let client = APIClient(
                "bench", configuration: APIClientConfiguration(callsPerMinute: 1_000_000_000),
                transport: try AsyncHTTPClientTransport(settings: settings), observer: Observer())
            try await Self.measure(tasks, seconds) {
                let reply = try await client.get(url)
                precondition(reply.status == .ok && reply.body.readableBytes == bytes)
            }
            precondition(client.metrics.failures == 0)
            await client.close()
        default: fatalError("bare or sluice")
        }
    }

    private static func measure(
        _ tasks: Int, _ seconds: Double, _ call: @escaping @Sendable () async throws -> Void
    ) async throws {
        for _ in 0..<200 { try await call() }
        let (start, cpu) = (Self.now(CLOCK_MONOTONIC), Self.now(CLOCK_PROCESS_CPUTIME_ID))
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<tasks {
                group.addTask {
                    var count = 0
                    while Self.now(CLOCK_MONOTONIC) - start < seconds {
                        try await call()
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        let (elapsed, used) = (Self.now(CLOCK_MONOTONIC) - start, Self.now(CLOCK_PROCESS_CPUTIME_ID) - cpu)
        print("{\"rate\": \(Double(count) / elapsed), \"cpu\": \(used / Double(count) * 1e6)}")
    }

    private static func now(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Listens, so that every event is made.
private final class Observer: PolicyObserver {
    private let count = Atomic(0)

    func record(_ event: PolicyEvent, in context: OperationContext) {
        self.count.wrappingAdd(1, ordering: .relaxed)
    }
}
