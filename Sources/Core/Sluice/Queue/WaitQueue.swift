// SPDX-License-Identifier: Apache-2.0

/// Who waits for a turn, by priority and order of arrival: a deque for each priority, in which leaving is O(1).
struct WaitQueue: Sendable {
    struct Waiter: Sendable {
        let ticket: UInt64
        let arrival: Instant
        /// How much its turn takes out of what it waits for.
        var cost = 1
    }

    private struct Lane {
        /// In order of arrival; who left stays until reached.
        var waiters: [Waiter] = []
        var head = 0
        /// How many of them have left.
        var holes = 0
        var isEmpty: Bool { self.waiters.count - self.head == self.holes }
    }

    private var lanes = [Lane](repeating: Lane(), count: OperationPriority.allCases.count)
    /// The lane of everybody who waits.
    private var places: [UInt64: Int] = [:]

    var count: Int { self.places.count }

    mutating func append(_ waiter: Waiter, _ priority: OperationPriority) {
        self.lanes[priority.rawValue].waiters.append(waiter)
        self.places[waiter.ticket] = priority.rawValue
    }

    /// Leaves the queue; false if the turn had come already.
    mutating func remove(_ ticket: UInt64) -> Bool {
        guard let lane = self.places.removeValue(forKey: ticket) else { return false }
        self.lanes[lane].holes += 1
        self.compact(lane)
        return true
    }

    /// The oldest of the highest priority, who stays.
    mutating func first() -> Waiter? {
        for lane in self.lanes.indices.reversed() where !self.lanes[lane].isEmpty {
            while self.places[self.lanes[lane].waiters[self.lanes[lane].head].ticket] == nil {
                self.lanes[lane].head += 1
                self.lanes[lane].holes -= 1
            }
            return self.lanes[lane].waiters[self.lanes[lane].head]
        }
        return nil
    }

    /// The oldest, or the newest, of the highest priority.
    mutating func pop(newest: Bool) -> Waiter? {
        for lane in self.lanes.indices.reversed() where !self.lanes[lane].isEmpty {
            return self.pop(lane, newest: newest)
        }
        return nil
    }

    /// The newest of the lowest priority, if that is lower than `priority`: who gives way to one that matters more.
    mutating func popLower(than priority: OperationPriority) -> Waiter? {
        for lane in 0..<priority.rawValue where !self.lanes[lane].isEmpty { return self.pop(lane, newest: true) }
        return nil
    }

    private mutating func pop(_ lane: Int, newest: Bool) -> Waiter? {
        while self.lanes[lane].head < self.lanes[lane].waiters.count {
            let waiter: Waiter
            if newest {
                waiter = self.lanes[lane].waiters.removeLast()
            } else {
                waiter = self.lanes[lane].waiters[self.lanes[lane].head]
                self.lanes[lane].head += 1
            }
            if self.places.removeValue(forKey: waiter.ticket) != nil {
                self.compact(lane)
                return waiter
            }
            self.lanes[lane].holes -= 1
        }
        self.compact(lane)
        return nil
    }

    /// Drops what was served or left once it is the larger part.
    private mutating func compact(_ lane: Int) {
        let dead = self.lanes[lane].head + self.lanes[lane].holes
        guard dead > 32, dead * 2 > self.lanes[lane].waiters.count else { return }
        self.lanes[lane].waiters.removeFirst(self.lanes[lane].head)
        self.lanes[lane].head = 0
        let places = self.places
        self.lanes[lane].waiters.removeAll { places[$0.ticket] == nil }
        self.lanes[lane].holes = 0
    }
}
