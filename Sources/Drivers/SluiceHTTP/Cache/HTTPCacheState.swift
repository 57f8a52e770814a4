// SPDX-License-Identifier: Apache-2.0

/// What a cache remembers of what is under way: the fetches, so that none is kept that a change has overtaken, and the
/// refreshes.
struct HTTPCacheState: Sendable {
    /// Names one fetch.
    typealias Ticket = UInt64

    var statistics = HTTPCache.Statistics()
    private var fetches: [String: Set<Ticket>] = [:]
    private var refreshes: [String: Task<Void, Never>?] = [:]
    private var nextTicket: Ticket = 0
    private var isClosed = false

    // MARK: Fetches

    /// - Parameter names: The URI that is fetched, and the key its answer will be kept by.
    mutating func beginFetch(of names: Set<String>) -> Ticket {
        self.nextTicket += 1
        for name in names { self.fetches[name, default: []].insert(self.nextTicket) }
        return self.nextTicket
    }

    mutating func endFetch(of names: Set<String>, _ ticket: Ticket) {
        for name in names {
            self.fetches[name]?.remove(ticket)
            if self.fetches[name]?.isEmpty == true { self.fetches[name] = nil }
        }
    }

    /// A resource has changed: what is being fetched of it may be older than the change.
    mutating func noteChange(of name: String) {
        self.fetches[name] = nil
    }

    mutating func noteChangeOfAll() {
        self.fetches = [:]
    }

    /// Whether no change has overtaken a fetch.
    func isCurrent(_ names: Set<String>, _ ticket: Ticket) -> Bool {
        names.allSatisfy { self.fetches[$0]?.contains(ticket) == true }
    }

    // MARK: Refreshes

    /// Takes one of the places there are for refreshes, unless this one is under way.
    mutating func beginRefresh(_ name: String, maximum: Int) -> Bool {
        guard !self.isClosed, self.refreshes[name] == nil, self.refreshes.count < maximum else { return false }
        self.refreshes[name] = .some(nil)
        return true
    }

    /// Notes the task of a refresh that has begun; false if it has ended already, or must end.
    mutating func note(_ task: Task<Void, Never>, of name: String) -> Bool {
        guard self.refreshes[name] != nil else { return !self.isClosed }
        self.refreshes[name] = task
        return !self.isClosed
    }

    mutating func endRefresh(_ name: String) {
        self.refreshes[name] = nil
    }

    /// Admits no refresh any more.
    mutating func close() -> [Task<Void, Never>] {
        self.isClosed = true
        return self.refreshes.values.compactMap { $0 }
    }
}
