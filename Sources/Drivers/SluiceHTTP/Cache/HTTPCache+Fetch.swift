// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import Synchronization

extension HTTPCache {
    /// An answer for one request, and what it is for those who wait.
    struct Fetched: Sendable {
        let response: HTTPTransportResponse
        let end: FlightEnd
    }

    /// What is known of one exchange with the origin.
    private struct Exchange {
        let ask: CacheAsk
        let stored: HTTPCacheEntry?
        let ticket: HTTPCacheState.Ticket
        let requestTime: WallTime
        let responseTime: WallTime
    }

    /// The statuses of a failure in whose place a stale answer may stand: RFC 5861 §4.
    private static let failures: Set<Int> = [500, 502, 503, 504]

    /// Sends a request on, as a question whether `stored` is still right if there is one, and keeps what may be kept.
    func fetch(_ ask: CacheAsk, _ stored: HTTPCacheEntry?, _ next: @escaping Next) async throws -> Fetched {
        let ticket = self.state.withLock { $0.beginFetch(of: ask.names) }
        defer { self.state.withLock { $0.endFetch(of: ask.names, ticket) } }
        if stored == nil { self.count(\.misses) }
        do {
            return try await self.exchange(ask, stored, ticket, next)
        } catch {
            // A failure of the caller's own is nobody else's; any other may be bridged.
            guard !(error is CancellationError), !Task.isCancelled, let stored, self.standsIn(stored, ask) else {
                throw error
            }
            return Fetched(response: self.reply(stored, ask, .staleIfError), end: .failed)
        }
    }

    private func exchange(
        _ ask: CacheAsk, _ stored: HTTPCacheEntry?, _ ticket: HTTPCacheState.Ticket, _ next: @escaping Next
    ) async throws -> Fetched {
        let question = stored.flatMap { CacheConditions.validating(ask.request, $0) }
        let (exchange, response) = try await self.send(question ?? ask.request, ask, stored, ticket, next)
        if let stored, question != nil, response.head.status == .notModified {
            try await BoundedBody.discard(response)
            if CacheConditions.confirms(response.head, stored) {
                return try await self.confirm(stored, response.head, exchange)
            }
            // It speaks of an answer that we do not have, so we ask for that one, and whole.
            let (again, whole) = try await self.send(ask.request, ask, stored, ticket, next)
            return try await self.take(whole, again)
        }
        return try await self.take(response, exchange)
    }

    private func send(
        _ request: HTTPRequest, _ ask: CacheAsk, _ stored: HTTPCacheEntry?, _ ticket: HTTPCacheState.Ticket,
        _ next: @escaping Next
    ) async throws -> (Exchange, HTTPTransportResponse) {
        let requestTime = self.now()
        let response = try await next(request, nil)
        let exchange = Exchange(
            ask: ask, stored: stored, ticket: ticket, requestTime: requestTime, responseTime: self.now())
        return (exchange, response)
    }

    /// What is kept was confirmed: its fields are brought up to date.
    private func confirm(
        _ stored: HTTPCacheEntry, _ update: HTTPResponse, _ exchange: Exchange
    ) async throws -> Fetched {
        let head = self.rules.merged(stored.head, with: update, responseTime: exchange.responseTime)
        let entry = self.updated(stored, head, exchange)
        try await self.keep(entry, exchange)
        return Fetched(response: self.reply(entry, exchange.ask, .confirmed), end: .stored)
    }

    private func updated(_ stored: HTTPCacheEntry, _ head: HTTPResponse, _ exchange: Exchange) -> HTTPCacheEntry {
        HTTPCacheEntry(
            key: stored.key, uri: stored.uri, variant: stored.variant, varyingFields: stored.varyingFields, head: head,
            body: stored.body, requestTime: exchange.requestTime, responseTime: exchange.responseTime,
            timeToLive: Self.lifetime(head, exchange.ask) ?? stored.timeToLive, rules: self.rules)
    }

    /// An answer has come that is not about what is kept.
    private func take(_ response: HTTPTransportResponse, _ exchange: Exchange) async throws -> Fetched {
        let head = response.head
        if Self.failures.contains(head.status.code), let stored = exchange.stored, self.standsIn(stored, exchange.ask) {
            try await BoundedBody.discard(response)
            return Fetched(response: self.reply(stored, exchange.ask, .staleIfError), end: .failed)
        }
        if exchange.ask.isHead {
            try await self.update(head, exchange)
            return Fetched(response: response.marked(.method), end: .notShared)
        }
        let control = CacheControl(head.headerFields)
        let passed = exchange.stored == nil ? CacheStatus.miss : .staleMiss
        guard
            self.rules.mayStore(
                head, control, to: exchange.ask.request, exchange.ask.asked,
                isOverridden: Self.lifetime(head, exchange.ask) != nil
                    && CacheRules.heuristicallyCacheable.contains(head.status.code),
                isSigned: exchange.ask.isSigned),
            Self.isFinite(head), Self.announced(head) ?? 0 <= self.settings.maximumBodyBytes
        else {
            try await self.dropReplaced(by: head, exchange)
            return Fetched(response: response.marked(passed), end: .notShared)
        }
        switch try await BoundedBody.read(response, upTo: self.settings.maximumBodyBytes) {
        case .tooLong(let rest):
            let longer = HTTPTransportResponse(head: head, body: rest)
            return Fetched(response: longer.marked(passed), end: .notShared)
        case .whole(let body):
            let whole = HTTPTransportResponse(head: head, bytes: body)
            // What is shorter than announced is not whole, and so is not kept.
            if let length = Self.announced(head), length != body.readableBytes,
                !head.headerFields.contains(.contentEncoding)
            {
                return Fetched(response: whole.marked(passed), end: .notShared)
            }
            try await self.keep(self.entry(head, control, body, exchange), exchange)
            return Fetched(response: whole.marked(exchange.stored == nil ? .stored : .replaced), end: .stored)
        }
    }

    private func entry(
        _ head: HTTPResponse, _ control: CacheControl, _ body: ByteBuffer, _ exchange: Exchange
    ) -> HTTPCacheEntry {
        let ask = exchange.ask
        let names = CacheVariant.varyingFields(head)
        var kept = head
        kept.headerFields = self.rules.fieldsToStore(head, control, responseTime: exchange.responseTime)
        return HTTPCacheEntry(
            key: ask.key, uri: ask.uri, variant: CacheVariant.id(scope: ask.scope, names, of: ask.request),
            varyingFields: names, head: kept, body: body, requestTime: exchange.requestTime,
            responseTime: exchange.responseTime, timeToLive: Self.lifetime(head, ask), rules: self.rules)
    }

    /// Puts an answer into the store, unless the resource was changed since it was asked for.
    private func keep(_ entry: HTTPCacheEntry, _ exchange: Exchange) async throws {
        guard self.isCurrent(exchange) else { return }
        try await self.tolerating(()) { try await self.store.insert(entry) }
        self.count(\.stored)
        // Looked at again afterwards: a change notes itself first and clears the store then, so one of the two sees the
        // other.
        guard self.isCurrent(exchange) else {
            return try await self.tolerating(()) { try await self.store.remove(entry.key, variant: entry.variant) }
        }
    }

    private func isCurrent(_ exchange: Exchange) -> Bool {
        self.state.withLock { $0.isCurrent(exchange.ask.names, exchange.ticket) }
    }

    /// The answer to a HEAD says whether what is kept for a GET is still right.
    private func update(_ head: HTTPResponse, _ exchange: Exchange) async throws {
        guard head.status == .ok, let stored = exchange.stored, stored.head.status == .ok else { return }
        let isRight = CacheConditions.agrees(head, with: stored)
        let merged =
            isRight ? self.rules.merged(stored.head, with: head, responseTime: exchange.responseTime) : stored.head
        var entry = self.updated(stored, merged, exchange)
        if !isRight {
            entry = HTTPCacheEntry(
                key: stored.key, uri: stored.uri, variant: stored.variant, varyingFields: stored.varyingFields,
                head: stored.head, body: stored.body, requestTime: stored.requestTime,
                responseTime: stored.responseTime, timeToLive: stored.timeToLive, isInvalid: true, rules: self.rules)
        }
        try await self.keep(entry, exchange)
    }

    /// What was kept has been replaced by something that may not be.
    private func dropReplaced(by head: HTTPResponse, _ exchange: Exchange) async throws {
        guard let stored = exchange.stored, head.status.code < 400, head.status != .notModified else { return }
        try await self.tolerating(()) { try await self.store.remove(stored.key, variant: stored.variant) }
    }

    /// The caller's time, which is for the answer it hopes for, and not for an error in its place.
    private static func lifetime(_ head: HTTPResponse, _ ask: CacheAsk) -> Int64? {
        head.status.kind == .successful ? ask.timeToLive : nil
    }

    /// Whether an answer is one that ends by itself.
    private static func isFinite(_ head: HTTPResponse) -> Bool {
        guard let type = head.headerFields[.contentType]?.lowercased() else { return true }
        return !type.hasPrefix("text/event-stream") && !type.hasPrefix("multipart/x-mixed-replace")
    }

    private static func announced(_ head: HTTPResponse) -> Int? {
        head.headerFields[values: .contentLength].first.flatMap { Int($0) }
    }
}
