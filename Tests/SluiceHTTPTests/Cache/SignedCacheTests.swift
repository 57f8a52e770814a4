// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// What is kept of answers to requests that a client adds credentials to, behind its cache.
@Suite("A cache and credentials that it does not see", .timeLimit(.minutes(5)))
struct SignedCacheTests {
    private static let origin: HTTPOrigin = "https://api.example.org"
    private static let ways: [HTTPAuth] = [
        .bearer("t", for: origin), .apiKey("k", for: origin), .apiKey("k", query: "key", for: origin),
        .basic(user: "ada", password: "p", for: origin),
    ]

    private func client(
        _ transport: any HTTPTransport, _ auth: HTTPAuth?, _ cache: HTTPCache
    ) -> APIClient {
        APIClient(
            "test",
            configuration: APIClientConfiguration(
                baseURL: "https://api.example.org", maximumAttempts: 1, callsPerMinute: 10_000),
            transport: transport, auth: auth, cache: cache, time: VirtualTime())
    }

    private func numbered(_ control: String) -> ScriptedTransport {
        ScriptedTransport { _, number in .init(.ok, fields: [.cacheControl: control], body: "\(number)") }
    }

    @Test("a shared one keeps none, unless the answer says that it is for all", arguments: ways)
    func shared(_ auth: HTTPAuth) async throws {
        for (control, isKept) in [
            ("max-age=60", false), ("public, max-age=60", true), ("s-maxage=60", true),
            ("max-age=60, must-revalidate", true), ("private, max-age=60", false),
        ] {
            let cache = HTTPCache(HTTPCacheSettings(isShared: true))
            let transport = self.numbered(control)
            let (signed, anonymous) = (self.client(transport, auth, cache), self.client(transport, nil, cache))
            #expect(try await signed.get("/me").text == "1")
            #expect(try await signed.get("/me").text == (isKept ? "1" : "2"), "\(control)")
            // Nor does it become another's.
            #expect(try await anonymous.get("/me").text == (isKept ? "1" : "3"), "\(control)")
        }
    }

    @Test(
        "a shared one keeps none by a key of the caller's own either, nor what another origin sent keeps it from keeping"
    )
    func keyed() async throws {
        let cache = HTTPCache(HTTPCacheSettings(isShared: true))
        let transport = self.numbered("max-age=60")
        let client = self.client(transport, .bearer("t", for: Self.origin), cache)
        #expect(try await client.get("/me", cacheKey: "me", timeToLive: .seconds(60)).text == "1")
        #expect(try await client.get("/me", cacheKey: "me", timeToLive: .seconds(60)).text == "2")
        #expect(try await client.get("https://other.example/a").text == "3")
        #expect(try await client.get("https://other.example/a").text == "3")
    }

    @Test("a private one keeps them, and apart by the scope that stands around the call, also under a key")
    func scoped() async throws {
        let cache = HTTPCache()
        let transport = self.numbered("max-age=60")
        let ada = self.client(transport, .bearer("a", for: Self.origin), cache)
        let bob = self.client(transport, .bearer("b", for: Self.origin), cache)
        for key in [nil, "me"] {
            let first = try await HTTPCacheCall.$current.withValue(HTTPCacheCall(scope: "ada")) {
                try await ada.get("/\(key ?? "plain")", cacheKey: key).text
            }
            let other = try await HTTPCacheCall.$current.withValue(HTTPCacheCall(scope: "bob")) {
                try await bob.get("/\(key ?? "plain")", cacheKey: key).text
            }
            let again = try await HTTPCacheCall.$current.withValue(HTTPCacheCall(scope: "ada")) {
                try await ada.get("/\(key ?? "plain")", cacheKey: key).text
            }
            #expect(first != other && first == again)
        }
        #expect(transport.requests.count == 4)
    }

    @Test("a call that goes past the cache does so under a key as well")
    func bypassed() async throws {
        let transport = self.numbered("max-age=60")
        let client = self.client(transport, nil, HTTPCache())
        #expect(try await client.get("/a", cacheKey: "a").text == "1")
        let past = try await HTTPCacheCall.$current.withValue(HTTPCacheCall(isBypassed: true)) {
            try await client.get("/a", cacheKey: "a").text
        }
        #expect(past == "2")
        #expect(try await client.get("/a", cacheKey: "a").text == "1")
    }
}
