// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import Synchronization

/// Measures an answer from the HTTP cache: 1 KB of JSON with twelve fields, in the memory store.
///
/// Prints JSON: median nanoseconds of a hit through the cache alone, through it with `Vary`, and through a client with
/// every policy.
@main
enum CacheBench {
    static let rounds = 9
    static let calls = 20_000
    static let request = HTTPRequest(
        method: .get, scheme: "https", authority: "api.example.org", path: "/v1/users/42?fields=name,email",
        headerFields: [.accept: "application/json", .acceptLanguage: "en", .userAgent: "bench"])

    /// Answers once; a second request would be a miss, which ends the measurement.
    final class Origin: HTTPTransport {
        let fields: HTTPFields
        let requests = Atomic(0)

        init(vary: String?) {
            var fields: HTTPFields = [
                .contentType: "application/json", .contentLength: "1024", .date: "Tue, 01 Jan 2030 00:00:00 GMT",
                .cacheControl: "max-age=3600", .eTag: "\"5f3a\"", .server: "bench", .contentLanguage: "en",
                .lastModified: "Mon, 31 Dec 2029 00:00:00 GMT", .acceptRanges: "bytes",
                .strictTransportSecurity: "max-age=31536000", .xContentTypeOptions: "nosniff",
            ]
            fields[.vary] = vary
            self.fields = fields
        }

        func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
            precondition(self.requests.add(1, ordering: .relaxed).newValue == 1, "only the first request is a miss")
            let body = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1_024)
            return HTTPTransportResponse(
                head: HTTPResponse(status: .ok, headerFields: self.fields),
                body: AsyncThrowingStream { stream in
                    stream.yield(body)
                    stream.finish()
                })
        }

        func close() async {}
    }

    // Off the main thread, as a server's work is: from there each call would go to another thread and back.
    static func main() async throws {
        try await Task.detached { try await self.measure() }.value
    }

    private static func measure() async throws {
        let now: @Sendable () -> WallTime = { WallTime(milliseconds: 1_893_456_001_000) }
        var results: [String: Double] = [:]
        for (name, vary) in [("cache", nil), ("cacheVary", "Accept-Language")] as [(String, String?)] {
            let origin = Origin(vary: vary)
            let cache = HTTPCache(now: now)
            results[name] = try await self.median {
                let response = try await cache.intercept(self.request, body: nil) {
                    try await origin.send($0, body: $1)
                }
                var count = 0
                for try await part in response.body { count += part.readableBytes }
                precondition(count == 1_024)
            }
        }
        let client = APIClient(
            "bench", configuration: APIClientConfiguration(baseURL: "https://api.example.org"),
            transport: Origin(vary: nil), cache: HTTPCache(now: now))
        results["client"] = try await self.median {
            let reply = try await client.get("/v1/users/42?fields=name,email")
            precondition(reply.body.readableBytes == 1_024)
        }
        FileHandle.standardOutput.write(try JSONEncoder().encode(results))
    }

    static func median(_ body: () async throws -> Void) async throws -> Double {
        var times: [Double] = []
        for _ in 0..<self.rounds {
            let start = ContinuousClock.now
            for _ in 0..<self.calls { try await body() }
            let duration = start.duration(to: .now)
            times.append(duration.inSeconds * 1e9 / Double(self.calls))
        }
        return times.sorted()[self.rounds / 2]
    }
}
