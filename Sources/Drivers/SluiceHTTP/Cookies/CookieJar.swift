// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Synchronization

/// Remembers cookies and sends them back to whom they belong; a client has none unless it is given one.
///
/// Bounded: 50 cookies for a domain and 3,000 in all (RFC 6265 §6.1); past that those that end first go, then the oldest.
public final class CookieJar: Sendable {
    /// How many cookies of one domain are kept.
    public static let maximumPerDomain = 50
    /// How many are kept in all.
    public static let maximumCount = 3_000

    private struct Key: Hashable {
        let name: String
        let domain: String
        let path: String
    }

    private struct Entry {
        let cookie: HTTPCookie
        /// The order in which cookies were first set.
        let number: UInt64
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var nextNumber: UInt64 = 0
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> WallTime

    /// Creates an empty jar.
    ///
    /// - Parameter now: The calendar that the ends of cookies are measured by.
    public init(now: @escaping @Sendable () -> WallTime = WallTime.now) {
        self.now = now
    }

    /// The cookies that have not ended, in the order they were set.
    public var all: [HTTPCookie] {
        let now = self.now().seconds
        return self.state.withLock { state in
            state.entries.values.filter { Self.isAlive($0.cookie, now) }.sorted { $0.number < $1.number }.map(\.cookie)
        }
    }

    /// Forgets every cookie.
    public func removeAll() { self.state.withLock { $0.entries = [:] } }

    /// Takes the cookies of an answer.
    func take(_ response: HTTPResponse, from target: HTTPTarget) {
        let fields = response.headerFields[values: .setCookie]
        guard !fields.isEmpty else { return }
        let now = self.now().seconds
        let (host, path) = Self.place(target)
        for field in fields {
            guard let cookie = HTTPCookie(field, host: host, path: path, isSecure: target.scheme == "https", now: now)
            else { continue }
            self.state.withLock { Self.store(cookie, now, &$0) }
        }
    }

    /// The value of `Cookie` for a request; nil if there are none.
    func header(for target: HTTPTarget) -> String? {
        let now = self.now().seconds
        let (host, path) = Self.place(target)
        let isSecure = target.scheme == "https"
        let entries = self.state.withLock { state in
            state.entries.values.filter {
                Self.isAlive($0.cookie, now) && $0.cookie.matches(host: host, path: path, isSecure: isSecure)
            }
        }
        guard !entries.isEmpty else { return nil }
        // Longer paths first, and among equals the older ones: RFC 6265 §5.4.
        let ordered = entries.sorted {
            ($1.cookie.path.utf8.count, $0.number) < ($0.cookie.path.utf8.count, $1.number)
        }
        return ordered.map { "\($0.cookie.name)=\($0.cookie.value)" }.joined(separator: "; ")
    }

    private static func place(_ target: HTTPTarget) -> (host: String, path: String) {
        let authority = target.authority
        let host =
            authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        return (String(host), String(target.path.prefix { $0 != "?" }))
    }

    private static func isAlive(_ cookie: HTTPCookie, _ now: Int64) -> Bool { cookie.expires.map { $0 > now } ?? true }

    private static func store(_ cookie: HTTPCookie, _ now: Int64, _ state: inout State) {
        let key = Key(name: cookie.name, domain: cookie.domain, path: cookie.path)
        let old = state.entries.removeValue(forKey: key)
        guard Self.isAlive(cookie, now) else { return }
        let number = old?.number ?? state.nextNumber
        state.nextNumber += 1
        let neighbours = state.entries.filter { $0.key.domain == cookie.domain }
        if neighbours.count >= Self.maximumPerDomain {
            Self.removeOne(of: neighbours, now, &state)
        } else if state.entries.count >= Self.maximumCount {
            Self.removeOne(of: state.entries, now, &state)
        }
        state.entries[key] = Entry(cookie: cookie, number: number)
    }

    private static func removeOne(of entries: [Key: Entry], _ now: Int64, _ state: inout State) {
        let victim = entries.min { left, right in
            (Self.isAlive(left.value.cookie, now) ? 1 : 0, left.value.number)
                < (Self.isAlive(right.value.cookie, now) ? 1 : 0, right.value.number)
        }
        if let victim { state.entries[victim.key] = nil }
    }
}
