// SPDX-License-Identifier: Apache-2.0

/// The rules of a pool of equals alone: who gets a resource next, with no clock, lock or continuation.
///
/// Free resources are lent last-returned-first, so that warm ones stay warm; those who wait are served first-come-first-served.
public struct PoolMachine<Resource> {
    /// Names one waiter.
    public typealias Ticket = UInt64

    /// What asking for a resource came to.
    public enum Answer {
        /// Here it is.
        case lent(Resource)
        /// All are lent: the caller waits.
        case waiting(Ticket)
        /// As many wait as may.
        case full
        /// Nothing is lent any more.
        case closed
    }

    private var free: [Resource]
    /// Tickets in order of arrival; one that gave up stays until it is reached, so that giving up takes O(1).
    private var queue: [Ticket] = []
    private var head = 0
    private var waiting: Set<Ticket> = []
    private var nextTicket: Ticket = 0
    private let maximumWaiters: Int
    private let total: Int
    /// Whether nothing is lent any more.
    public private(set) var isClosed = false

    /// Creates a pool of these resources, for which at most so many wait.
    public init(_ resources: [Resource], maximumWaiters: Int) {
        self.free = resources
        self.total = resources.count
        self.maximumWaiters = maximumWaiters
    }

    /// How many wait.
    public var waiterCount: Int { self.waiting.count }
    /// How many resources are free.
    public var freeCount: Int { self.free.count }
    /// Whether nothing is lent.
    public var isWhole: Bool { self.free.count == self.total }

    /// Asks for a resource.
    public mutating func ask() -> Answer {
        if self.isClosed { return .closed }
        if let resource = self.free.popLast() { return .lent(resource) }
        guard self.waiting.count < self.maximumWaiters else { return .full }
        self.nextTicket += 1
        self.queue.append(self.nextTicket)
        self.waiting.insert(self.nextTicket)
        return .waiting(self.nextTicket)
    }

    /// Takes a resource back.
    ///
    /// - Returns: Whose turn it is to have it, or nil if nobody waits and it is kept.
    public mutating func giveBack(_ resource: Resource) -> Ticket? {
        while self.head < self.queue.count {
            let ticket = self.queue[self.head]
            self.head += 1
            if self.waiting.remove(ticket) != nil {
                self.compact()
                return ticket
            }
        }
        self.compact()
        self.free.append(resource)
        return nil
    }

    /// Lends nothing any more.
    ///
    /// - Returns: Those who wait, in vain.
    public mutating func close() -> Set<Ticket> {
        self.isClosed = true
        defer { self.waiting = [] }
        return self.waiting
    }

    /// Leaves the queue.
    ///
    /// - Returns: False if the turn had come already.
    public mutating func giveUp(_ ticket: Ticket) -> Bool {
        guard self.waiting.remove(ticket) != nil else { return false }
        // Or those who gave up would pile up for as long as nothing comes back.
        if self.queue.count - self.head > 2 * self.waiting.count + 32 {
            let waiting = self.waiting
            self.queue = self.queue[self.head...].filter(waiting.contains)
            self.head = 0
        }
        return true
    }

    /// Drops the served part of the queue once it is the larger part.
    private mutating func compact() {
        guard self.head > 32, self.head * 2 > self.queue.count else { return }
        self.queue.removeFirst(self.head)
        self.head = 0
    }
}

extension PoolMachine: Sendable where Resource: Sendable {}
extension PoolMachine.Answer: Sendable where Resource: Sendable {}
