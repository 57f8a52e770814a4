// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// What a cache does when several things happen at once, and at its bounds.
@Suite("Response cache", .timeLimit(.minutes(5)))
struct HTTPCacheTests {
    private let clock = Locked<Int64>(1_893_456_000_000)

    private func cache(
        _ settings: HTTPCacheSettings = HTTPCacheSettings(), store: any HTTPCacheStore = MemoryHTTPCacheStore(),
        time: any TimeSource = SystemTime.shared
    ) -> HTTPCache {
        let clock = self.clock
        return HTTPCache(settings, store: store, time: time) { WallTime(milliseconds: clock.withLock { $0 }) }
    }

    private func request(
        _ path: String = "/", _ method: HTTPRequest.Method = .get, _ fields: HTTPFields = [:]
    ) -> HTTPRequest {
        HTTPRequest(method: method, scheme: "http", authority: "example.org", path: path, headerFields: fields)
    }

    private func get(
        _ cache: HTTPCache, _ origin: any HTTPTransport, _ request: HTTPRequest, body: HTTPBody? = nil
    ) async throws -> String {
        let response = try await cache.intercept(request, body: body) { try await origin.send($0, body: $1) }
        var text = ""
        for try await part in response.body { text += String(buffer: part) }
        return text
    }

    private static let fresh: HTTPFields = [.cacheControl: "max-age=60"]

    @Test("a hundred requests at once are sent once, though the first is cancelled")
    func singleFlight() async throws {
        let gate = Gate()
        let origin = ScriptedTransport { _, number in
            try await gate.pass()
            return .init(.ok, fields: Self.fresh, body: "\(number)")
        }
        let cache = self.cache()
        let first = Task { try await self.get(cache, origin, self.request()) }
        await gate.waitForArrivals(1)
        let others = (0..<99).map { _ in Task { try await self.get(cache, origin, self.request()) } }
        await self.wait(for: 100, cache)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        gate.open()
        for other in others { #expect(try await other.value == "2") }
        #expect(origin.requests.count == 2)
    }

    /// Returns when so many requests have come that no kept answer is for: one is sent, and the others wait for it.
    private func wait(for count: Int, _ cache: HTTPCache) async {
        while cache.flights.statistics.misses < count { await Task.yield() }
    }

    /// Begins so many requests at once, and returns when all of them wait.
    private func begin(
        _ count: Int, _ cache: HTTPCache, _ origin: any HTTPTransport,
        _ fields: @escaping @Sendable (Int) -> HTTPFields = { _ in [:] }
    ) async -> [Task<String, any Error>] {
        let tasks = (0..<count).map { number in
            Task { try await self.get(cache, origin, self.request("/", .get, fields(number))) }
        }
        await self.wait(for: count, cache)
        return tasks
    }

    @Test("requests that one answer is not for are sent each, and none waits for another for ever")
    func notShared() async throws {
        for (fields, expected) in [
            ([.cacheControl: "no-store"], 20), ([.cacheControl: "max-age=60", .vary: "Accept"], 2),
        ] as [(HTTPFields, Int)] {
            let gate = Gate()
            let origin = ScriptedTransport { request, number in
                if number == 1 { try await gate.pass() }
                return .init(.ok, fields: fields, body: request.headerFields[.accept] ?? "")
            }
            let cache = self.cache()
            let tasks = await self.begin(20, cache, origin) { [.accept: $0 % 2 == 0 ? "a" : "b"] }
            await gate.waitForArrivals(1)
            gate.open()
            for (number, task) in tasks.enumerated() { #expect(try await task.value == (number % 2 == 0 ? "a" : "b")) }
            #expect(origin.requests.count == expected)
        }
    }

    @Test("a failure is told to all who waited for it")
    func sharedFailure() async throws {
        let gate = Gate()
        let origin = ScriptedTransport { _, _ in
            try await gate.pass()
            throw APIClientError(.unreachable, message: "refused")
        }
        let cache = self.cache()
        let tasks = await self.begin(20, cache, origin)
        await gate.waitForArrivals(1)
        gate.open()
        for task in tasks {
            let error = await #expect(throws: APIClientError.self) { try await task.value }
            #expect(error?.kind == .unreachable)
        }
        #expect(origin.requests.count == 1)
    }

    @Test("what is stale is used while it is confirmed in the background, once")
    func staleWhileRevalidate() async throws {
        let gate = Gate()
        let fields: HTTPFields = [.cacheControl: "max-age=10, stale-while-revalidate=20", .eTag: "\"a\""]
        let origin = ScriptedTransport { _, number in
            if number == 1 { return .init(.ok, fields: fields, body: "1") }
            try await gate.pass()
            return .init(.notModified, fields: fields)
        }
        let cache = self.cache()
        _ = try await self.get(cache, origin, self.request())
        self.clock.withLock { $0 += 15_000 }
        for _ in 0..<5 { #expect(try await self.get(cache, origin, self.request()) == "1") }
        await gate.waitForArrivals(1)
        gate.open()
        while cache.statistics.confirmed < 1 { await Task.yield() }
        // Fresh again, so nothing more is sent.
        #expect(try await self.get(cache, origin, self.request()) == "1")
        #expect(origin.requests.count == 2)
        #expect(origin.requests[1].headerFields[.ifNoneMatch] == "\"a\"")
        #expect(cache.statistics.stale == 5)
        await cache.close()
    }

    @Test("no more is confirmed in the background than may be, and closing ends it")
    func boundedRefreshes() async throws {
        let gate = Gate()
        let origin = ScriptedTransport { _, number in
            if number > 5 { try await gate.pass() }
            return .init(.ok, fields: [.cacheControl: "max-age=10, stale-while-revalidate=20"], body: "\(number)")
        }
        let cache = self.cache(HTTPCacheSettings(maximumRefreshes: 2))
        for number in 0..<5 { _ = try await self.get(cache, origin, self.request("/\(number)")) }
        self.clock.withLock { $0 += 15_000 }
        for number in 0..<5 { _ = try await self.get(cache, origin, self.request("/\(number)")) }
        await gate.waitForArrivals(2)
        await cache.close()
        #expect(origin.requests.count == 7)
        _ = try await self.get(cache, origin, self.request("/0"))
        #expect(origin.requests.count == 7)
    }

    @Test("a refresh that gets no answer ends at its time limit")
    func refreshTimeout() async throws {
        let time = VirtualTime()
        let gate = Gate()
        let origin = ScriptedTransport { _, number in
            if number > 1 { try await gate.pass() }
            return .init(.ok, fields: [.cacheControl: "max-age=10, stale-while-revalidate=20"])
        }
        let cache = self.cache(time: time)
        _ = try await self.get(cache, origin, self.request())
        self.clock.withLock { $0 += 15_000 }
        _ = try await self.get(cache, origin, self.request())
        await gate.waitForArrivals(1)
        await time.waitForAlarms(1)
        time.advance(by: .seconds(30))
        // Its place is free again.
        while origin.requests.count < 3 {
            _ = try await self.get(cache, origin, self.request())
            await Task.yield()
        }
        await cache.close()
    }

    @Test("an answer that a change has overtaken is not kept")
    func overtaken() async throws {
        let gate = Gate()
        let origin = ScriptedTransport { request, number in
            if number == 1 { try await gate.pass() }
            return .init(.ok, fields: Self.fresh, body: "\(number)")
        }
        let cache = self.cache()
        let old = Task { try await self.get(cache, origin, self.request()) }
        await gate.waitForArrivals(1)
        _ = try await self.get(cache, origin, self.request("/", .post), body: .bytes(ByteBuffer(string: "x")))
        gate.open()
        #expect(try await old.value == "1")
        #expect(try await self.get(cache, origin, self.request()) == "3")
    }

    @Test("a body longer than the bound is handed on in parts and not kept, announced or not")
    func longBody() async throws {
        for fields in [Self.fresh, [.cacheControl: "max-age=60", .contentLength: "25"]] {
            let origin = ScriptedTransport { _, number in
                .init(.ok, fields: fields, body: String(repeating: "\(number)", count: 25))
            }
            let cache = self.cache(HTTPCacheSettings(maximumBodyBytes: 24))
            #expect(try await self.get(cache, origin, self.request()) == String(repeating: "1", count: 25))
            #expect(try await self.get(cache, origin, self.request()) == String(repeating: "2", count: 25))
            #expect(cache.statistics.stored == 0)
        }
    }

    @Test("an answer whose body breaks off is an error, and nothing of it is kept")
    func cut() async throws {
        let cache = self.cache()
        let asked = Locked(0)
        for _ in 0..<2 {
            await #expect(throws: APIClientError.self) {
                let response = try await cache.intercept(self.request(), body: nil) { _, _ in
                    asked.withLock { $0 += 1 }
                    return HTTPTransportResponse(
                        head: HTTPResponse(status: .ok, headerFields: Self.fresh),
                        body: AsyncThrowingStream { stream in
                            stream.yield(ByteBuffer(string: "half"))
                            stream.finish(throwing: APIClientError(.connectionLost, message: "cut"))
                        })
                }
                for try await _ in response.body {}
            }
        }
        #expect(asked.withLock { $0 } == 2)
        #expect(cache.statistics.stored == 0)
    }

    @Test("a call may name its key and how long the answer is fresh; a change of the URI drops it all the same")
    func overrides() async throws {
        let origin = ScriptedTransport { _, number in .init(.ok, body: "\(number)") }
        let cache = self.cache()
        let call = HTTPCacheCall(key: "rates", timeToLive: .seconds(60))
        try await HTTPCacheCall.$current.withValue(call) { () async throws -> Void in
            #expect(try await self.get(cache, origin, self.request("/rates?token=1")) == "1")
            #expect(try await self.get(cache, origin, self.request("/rates?token=2")) == "1")
        }
        #expect(try await self.get(cache, origin, self.request("/rates?token=1")) == "2")
        _ = try await self.get(cache, origin, self.request("/rates?token=1", .put), body: .bytes(ByteBuffer()))
        try await HTTPCacheCall.$current.withValue(call) { () async throws -> Void in
            #expect(try await self.get(cache, origin, self.request("/rates?token=3")) == "4")
            self.clock.withLock { $0 += 60_000 }
            #expect(try await self.get(cache, origin, self.request("/rates?token=4")) == "5")
        }
        try await HTTPCacheCall.$current.withValue(HTTPCacheCall(isBypassed: true)) { () async throws -> Void in
            #expect(try await self.get(cache, origin, self.request("/rates?token=3")) == "6")
        }
    }

    @Test("a time to live of the caller's does not make an error last, nor keep what must not be kept")
    func overrideLimits() async throws {
        for answer in [
            ScriptedTransport.Answer(.internalServerError), ScriptedTransport.Answer(.notFound),
            ScriptedTransport.Answer(.notImplemented),
            ScriptedTransport.Answer(.ok, fields: [.cacheControl: "no-store"]),
        ] {
            let origin = ScriptedTransport { _, _ in answer }
            let cache = self.cache()
            try await HTTPCacheCall.$current.withValue(HTTPCacheCall(timeToLive: .seconds(60))) {
                () async throws -> Void in
                _ = try await self.get(cache, origin, self.request())
                _ = try await self.get(cache, origin, self.request())
            }
            #expect(origin.requests.count == 2)
        }
    }

    @Test("answers of different scopes are kept apart")
    func scopes() async throws {
        let origin = ScriptedTransport { _, number in .init(.ok, fields: Self.fresh, body: "\(number)") }
        let cache = self.cache()
        for (scope, expected) in [("a", "1"), ("b", "2"), ("a", "1"), ("b", "2")] {
            try await HTTPCacheCall.$current.withValue(HTTPCacheCall(scope: scope)) { () async throws -> Void in
                #expect(try await self.get(cache, origin, self.request()) == expected)
            }
        }
        #expect(try await self.get(cache, origin, self.request()) == "3")
    }

    @Test("an answer that says nothing is fresh for as long as the settings say")
    func fallback() async throws {
        let origin = ScriptedTransport { _, number in .init(.ok, body: "\(number)") }
        let cache = self.cache(HTTPCacheSettings(fallbackTimeToLive: .seconds(3_600)))
        #expect(try await self.get(cache, origin, self.request()) == "1")
        self.clock.withLock { $0 += 3_599_000 }
        #expect(try await self.get(cache, origin, self.request()) == "1")
        self.clock.withLock { $0 += 1_000 }
        #expect(try await self.get(cache, origin, self.request()) == "2")
    }

    @Test("what is kept may be dropped by its URL, and all of it")
    func dropped() async throws {
        let origin = ScriptedTransport { _, number in .init(.ok, fields: Self.fresh, body: "\(number)") }
        let cache = self.cache()
        _ = try await self.get(cache, origin, self.request("/a"))
        _ = try await self.get(cache, origin, self.request("/b"))
        try await cache.invalidate("http://EXAMPLE.org:80/a")
        #expect(try await self.get(cache, origin, self.request("/a")) == "3")
        #expect(try await self.get(cache, origin, self.request("/b")) == "2")
        try await cache.removeAll()
        #expect(try await self.get(cache, origin, self.request("/b")) == "4")
    }

    @Test("every answer says what the cache did, beside what caches before it say")
    func status() async throws {
        let status = try #require(HTTPField.Name("Cache-Status"))
        let origin = ScriptedTransport { _, _ in
            .init(.ok, fields: [.cacheControl: "max-age=60", status: "Other; hit"])
        }
        let cache = self.cache()
        func said(_ request: HTTPRequest) async throws -> String? {
            try await cache.intercept(request, body: nil) { try await origin.send($0, body: $1) }.head.headerFields[
                status]
        }
        #expect(try await said(self.request()) == "Other; hit, Sluice; fwd=miss; stored")
        #expect(try await said(self.request()) == "Other; hit, Sluice; hit")
        #expect(try await said(self.request("/", .get, [.range: "bytes=0-1"])) == "Other; hit, Sluice; fwd=bypass")
        #expect(try await said(self.request("/", .delete)) == "Other; hit, Sluice; fwd=method")
    }

    // MARK: The store in memory

    @Test("takes no more bytes than it may, and drops what was used least recently")
    func memoryBound() async throws {
        let origin = ScriptedTransport { _, number in
            .init(.ok, fields: Self.fresh, body: String(repeating: "x", count: 1_000))
        }
        let store = MemoryHTTPCacheStore(maximumBytes: 10_000)
        let cache = self.cache(store: store)
        for number in 0..<100 {
            _ = try await self.get(cache, origin, self.request("/\(number)"))
            _ = try await self.get(cache, origin, self.request("/0"))
            #expect(store.totalBytes <= 10_000)
        }
        #expect(origin.requests.count == 100)
        #expect(store.count > 2)
        // Whatever the server varies by, one URI does not take all.
        let varying = ScriptedTransport { _, _ in .init(.ok, fields: [.cacheControl: "max-age=60", .vary: "Accept"]) }
        let roomy = MemoryHTTPCacheStore()
        let other = self.cache(store: roomy)
        for number in 0..<100 {
            _ = try await self.get(other, varying, self.request("/", .get, [.accept: "\(number)"]))
        }
        #expect(roomy.entries(for: "http://example.org/").count == HTTPCacheEntry.maximumVariants)
    }

    @Test("an entry read back from its encoded form is the same")
    func coding() async throws {
        let store = MemoryHTTPCacheStore()
        let origin = ScriptedTransport { _, _ in
            .init(.notFound, fields: [.cacheControl: "max-age=60", .vary: "Accept", .eTag: "\"a\""], body: "body")
        }
        _ = try await self.get(self.cache(store: store), origin, self.request())
        let entry = try #require(store.entries(for: "http://example.org/").first)
        let read = try HTTPCacheEntry(encodedHead: try entry.encodedHead(), body: entry.body)
        #expect(read.head == entry.head && read.key == entry.key && read.variant == entry.variant)
        #expect(read.responseTime == entry.responseTime && read.varyingFields == ["accept"])
        let second = MemoryHTTPCacheStore()
        second.insert(read)
        #expect(try await self.get(self.cache(store: second), origin, self.request()) == "body")
        #expect(origin.requests.count == 1)
    }
}
