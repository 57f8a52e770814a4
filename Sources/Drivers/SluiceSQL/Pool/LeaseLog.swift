// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Who has borrowed which connection since when, to tell who never gives back.
///
/// Of several leases of one connection the oldest is taken to be what ends first, since statements in a pipeline are answered in
/// order.
struct LeaseLog: Sendable {
    struct Lease: Sendable {
        let since: Instant
        /// The operation that borrowed, if it has a name.
        let context: OperationContext?
        fileprivate var isReported = false
    }

    /// By the connection's place; the inner arrays keep their memory, so that lending allocates nothing.
    private var leases: [[Lease]]
    private let limit: Duration
    /// When the next lease is overdue, or earlier.
    private(set) var checkAt = Instant.distantFuture

    init(places: Int, limit: Duration) {
        self.leases = Array(repeating: [], count: places)
        self.limit = limit
    }

    mutating func begin(_ place: Int, at now: Instant, _ context: OperationContext?) {
        self.leases[place].append(Lease(since: now, context: context))
        self.checkAt = min(self.checkAt, now.advanced(by: self.limit))
    }

    mutating func end(_ place: Int) {
        self.leases[place].removeFirst()
    }

    /// The lease that has lasted longest.
    var oldest: Lease? {
        self.leases.compactMap(\.first).min { $0.since < $1.since }
    }

    /// How many connections an operation holds.
    func count(of operation: OperationID) -> Int {
        self.leases.reduce(0) { count, leases in count + leases.count { $0.context?.id == operation } }
    }

    /// The leases that have become overdue; each is returned once.
    mutating func overdue(at now: Instant) -> [Lease] {
        guard self.checkAt <= now else { return [] }
        var overdue: [Lease] = []
        self.checkAt = .distantFuture
        for place in self.leases.indices {
            for index in self.leases[place].indices where !self.leases[place][index].isReported {
                let due = self.leases[place][index].since.advanced(by: self.limit)
                if due <= now {
                    overdue.append(self.leases[place][index])
                    self.leases[place][index].isReported = true
                } else {
                    self.checkAt = min(self.checkAt, due)
                }
            }
        }
        return overdue
    }
}
