// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// Who waits for a connection, in order of arrival; coming, leaving and being served each take constant time.
struct PoolQueue: Sendable {
    typealias Ticket = ConnectionPoolMachine.Ticket

    /// In order of arrival; who left stays until reached, or until those who left are the larger part.
    private var order: Deque<Ticket> = []
    private var kinds: [Ticket: LeaseKind] = [:]
    /// How many want a connection alone.
    private(set) var exclusiveCount = 0

    var count: Int { self.kinds.count }
    var isEmpty: Bool { self.kinds.isEmpty }
    var sharedCount: Int { self.kinds.count - self.exclusiveCount }

    mutating func append(_ ticket: Ticket, _ kind: LeaseKind) {
        self.order.append(ticket)
        self.note(ticket, kind)
    }

    /// Lets somebody go before everybody else.
    mutating func prepend(_ ticket: Ticket, _ kind: LeaseKind) {
        self.order.prepend(ticket)
        self.note(ticket, kind)
    }

    private mutating func note(_ ticket: Ticket, _ kind: LeaseKind) {
        self.kinds[ticket] = kind
        if kind == .exclusive { self.exclusiveCount += 1 }
    }

    /// Whose turn is next, who stays.
    mutating func first() -> (ticket: Ticket, kind: LeaseKind)? {
        while let ticket = self.order.first {
            if let kind = self.kinds[ticket] { return (ticket, kind) }
            self.order.removeFirst()
        }
        return nil
    }

    /// Takes out whoever ``first()`` says.
    mutating func removeFirst() {
        guard let (ticket, _) = self.first() else { return }
        self.order.removeFirst()
        self.forget(ticket)
    }

    /// Leaves the queue; false if the turn had come already.
    mutating func remove(_ ticket: Ticket) -> Bool {
        guard self.forget(ticket) else { return false }
        if self.order.count > 2 * self.kinds.count + 32 {
            let kinds = self.kinds
            self.order.removeAll { kinds[$0] == nil }
        }
        return true
    }

    @discardableResult
    private mutating func forget(_ ticket: Ticket) -> Bool {
        guard let kind = self.kinds.removeValue(forKey: ticket) else { return false }
        if kind == .exclusive { self.exclusiveCount -= 1 }
        return true
    }

    /// Everybody leaves, in order of arrival.
    mutating func removeAll() -> [Ticket] {
        defer { self = PoolQueue() }
        return self.order.filter { self.kinds[$0] != nil }
    }
}
