// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import Synchronization

extension HTTPCache {
    /// Answers a GET or a HEAD.
    ///
    /// Who waited for another's fetch looks again: what was stored may be for it, or for another variant, or not be
    /// fresh. A second
    /// fetch of the same kind is not waited for.
    func answer(_ ask: CacheAsk, _ next: @escaping Next) async throws -> HTTPTransportResponse {
        var waitedFor: String?
        while true {
            let entries = try await self.tolerating([]) { try await self.store.entries(for: ask.key) }
            let entry = self.select(ask, entries)
            if let answer = self.answerFromStore(ask, entry, next) { return answer }
            if ask.asked.onlyIfCached { return Self.onlyIfCached }
            let flight = self.flight(ask, entries)
            // A condition of the caller's own makes an answer that is for it alone, a HEAD one that is not kept.
            let isAlone = ask.isHead || (entry == nil && CacheConditions.isConditional(ask.request.headerFields))
            guard !isAlone, flight != waitedFor else {
                self.report(.cacheMiss)
                return try await self.fetch(ask, entry, next).response
            }
            let own = Slot<HTTPTransportResponse>()
            let end = try await self.flights.value(for: flight) {
                let fetched = try await self.fetch(ask, entry, next)
                own.put(fetched.response)
                return fetched.end
            }
            if let response = own.take() { return response }
            switch end {
            case .stored:
                waitedFor = flight
            case .failed:
                if let entry, self.standsIn(entry, ask) { return self.reply(entry, ask, .staleIfError) }
                return try await self.fetch(ask, entry, next).response
            case .notShared:
                return try await self.fetch(ask, entry, next).response
            }
        }
    }

    /// The newest answer that the request selects.
    func select(_ ask: CacheAsk, _ entries: [HTTPCacheEntry]) -> HTTPCacheEntry? {
        var newest: HTTPCacheEntry?
        var (names, variant): ([String], String) = ([], ask.scope)
        for entry in entries {
            if entry.varyingFields != names {
                names = entry.varyingFields
                variant = CacheVariant.id(scope: ask.scope, names, of: ask.request)
            }
            if entry.variant == variant, newest.map({ $0.responseTime <= entry.responseTime }) ?? true {
                newest = entry
            }
        }
        return newest
    }

    /// What makes requests wait for each other: the key, the scope, and the fields that answers so far varied by.
    private func flight(_ ask: CacheAsk, _ entries: [HTTPCacheEntry]) -> String {
        var flight = "\(ask.key) \(ask.scope)"
        var seen: Set<[String]> = [[]]
        for entry in entries where seen.insert(entry.varyingFields).inserted {
            flight += " " + CacheVariant.id(scope: ask.scope, entry.varyingFields, of: ask.request)
        }
        return flight
    }

    private func answerFromStore(
        _ ask: CacheAsk, _ entry: HTTPCacheEntry?, _ next: @escaping Next
    ) -> HTTPTransportResponse? {
        guard let entry else { return nil }
        switch self.rules.use(entry, asked: ask.asked, at: self.now()) {
        case .fresh:
            return self.reply(entry, ask, .hit)
        case .staleAllowed:
            return self.reply(entry, ask, .stale)
        case .staleWhileRevalidate:
            self.refresh(ask, entry, next)
            return self.reply(entry, ask, .staleWhileRevalidate)
        case .revalidate:
            return nil
        }
    }

    func standsIn(_ entry: HTTPCacheEntry, _ ask: CacheAsk) -> Bool {
        self.rules.useOnError(
            entry, asked: ask.asked, fallback: self.settings.staleIfError.components.seconds, at: self.now())
    }

    /// An answer made of what is kept: with its age, and without its body if the caller has that already.
    func reply(_ entry: HTTPCacheEntry, _ ask: CacheAsk, _ status: CacheStatus) -> HTTPTransportResponse {
        let now = self.now()
        switch status {
        case .hit:
            self.count(\.hits)
            self.report(.cacheHit)
        case .confirmed:
            self.count(\.confirmed)
        default:
            self.count(\.stale)
            self.report(.cacheStale)
        }
        let fields = ask.request.headerFields
        let isKnown =
            CacheConditions.isConditional(fields) && CacheConditions.isNotModified(entry, for: fields, now: now)
        var head = isKnown ? Self.notModified(entry.head) : entry.head
        head.headerFields[.age] = "\(entry.age(at: now))"
        head.headerFields.append(HTTPField(name: .cacheStatus, value: status.rawValue))
        let body = isKnown || ask.isHead ? ByteBuffer() : entry.body
        return HTTPTransportResponse(head: head, bytes: body)
    }

    /// The head of a 304: RFC 9110 §15.4.5, all that does not describe a body.
    private static func notModified(_ head: HTTPResponse) -> HTTPResponse {
        var head = head
        head.status = .notModified
        for name in [HTTPField.Name.contentLength, .contentType, .contentEncoding, .contentLanguage] {
            head.headerFields[name] = nil
        }
        return head
    }

    /// RFC 9111 §5.2.1.7.
    private static var onlyIfCached: HTTPTransportResponse {
        HTTPTransportResponse(
            head: HTTPResponse(status: .gatewayTimeout, headerFields: [.contentLength: "0"]),
            bytes: ByteBuffer()
        ).marked(.onlyIfCached)
    }
}

/// A place for one value, taken by whoever comes first.
final class Slot<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)

    func put(_ value: Value) { self.value.withLock { $0 = value } }

    func take() -> Value? { self.value.withLock { $0.take() } }
}
