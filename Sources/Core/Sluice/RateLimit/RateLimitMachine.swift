// SPDX-License-Identifier: Apache-2.0

/// The rules of a rate limit alone: a limiter of either kind, and a queue of those who wait for it.
///
/// Who waits holds no place of a later moment: places are given out as they come, to whoever is first then. So one who leaves the
/// queue delays nobody behind.
public struct RateLimitMachine: Sendable {
    /// Names one call that waits.
    public typealias Ticket = UInt64

    /// What asking for a place came to.
    public enum Answer: Sendable, Hashable {
        /// The call runs.
        case run
        /// The call waits. If there is an instant, ``wake(at:)`` is to be called then: the call is the first in the queue.
        case wait(Ticket, wakeAt: Instant?)
        /// The call's turn would come too late.
        case refused(retryAfter: Duration)
    }

    private var bucket: GCRA
    /// The bucket that new settings ask for, until the next call says what time it is.
    private var nextBucket: GCRA?
    /// In use instead of the bucket, if there is one.
    private var window: SlidingWindow?
    private var queue = WaitQueue()
    /// What those who wait take, by priority, and each of them.
    private var queuedCosts = [Int](repeating: 0, count: OperationPriority.allCases.count)
    private var waiting: [Ticket: (cost: Int, priority: OperationPriority)] = [:]
    private var nextTicket: Ticket = 0
    /// The values it works by.
    public private(set) var settings: RateLimitSettings

    /// Creates a limit that nothing has been taken from.
    public init(_ settings: RateLimitSettings) {
        self.settings = settings.checked()
        self.bucket = settings.emptyBucket
        self.window = settings.emptyWindow
    }

    /// How many wait.
    public var queued: Int { self.queue.count }

    /// Takes places for a call if they are free now and nobody waits.
    ///
    /// - Parameters:
    ///   - now: The present moment.
    ///   - cost: How many places; at least 1.
    public mutating func enter(at now: Instant, cost: Int = 1) -> Bool {
        self.queue.count == 0 && self.takesNow(cost, at: now)
    }

    /// Asks for places for a call.
    ///
    /// - Parameters:
    ///   - priority: Who waits with a higher one is served first.
    ///   - now: The present moment.
    ///   - cost: How many places; at least 1, and more than the limit ever has at once is refused for ever.
    ///   - patience: How long the call would wait.
    public mutating func ask(
        _ priority: OperationPriority = .normal, at now: Instant, cost: Int = 1, patience: Duration
    ) -> Answer {
        if self.enter(at: now, cost: cost) { return .run }
        // Those who matter less wait for it, and not it for them.
        let ahead = self.queuedCosts[priority.rawValue...].reduce(0, +)
        let wait = self.wait(for: cost, behind: ahead, at: now)
        guard wait <= patience.clampedNanoseconds, self.queue.count < self.settings.maximumQueued else {
            return .refused(retryAfter: .nanoseconds(wait))
        }
        self.nextTicket += 1
        self.queue.append(WaitQueue.Waiter(ticket: self.nextTicket, arrival: now, cost: cost), priority)
        self.waiting[self.nextTicket] = (cost, priority)
        self.queuedCosts[priority.rawValue] += cost
        let isFirst = self.queue.first()?.ticket == self.nextTicket
        return .wait(self.nextTicket, wakeAt: isFirst ? self.nextWake(at: now) : nil)
    }

    /// Gives out the places that have come.
    ///
    /// - Returns: Whose turn it is, and when to wake next.
    public mutating func wake(at now: Instant) -> (admitted: [Ticket], next: Instant?) {
        var admitted: [Ticket] = []
        // One that has become too heavy for the limit takes all of it, or nobody behind it would ever run.
        while let first = self.queue.first(), self.takesNow(min(first.cost, self.largestCost), at: now) {
            _ = self.queue.remove(first.ticket)
            self.forget(first.ticket)
            admitted.append(first.ticket)
        }
        return (admitted, self.nextWake(at: now))
    }

    /// Leaves the queue.
    ///
    /// - Returns: False if the turn had come already.
    public mutating func giveUp(_ ticket: Ticket) -> Bool {
        guard self.queue.remove(ticket) else { return false }
        self.forget(ticket)
        return true
    }

    /// Takes places of a later moment if they come within `patience`, ahead of those who wait.
    public mutating func reserve(at now: Instant, cost: Int = 1, patience: Duration) -> RateDecision {
        guard cost <= self.largestCost else { return .refused(retryAfter: .nanoseconds(Int64.max)) }
        return self.take(cost, at: now, patienceNanoseconds: patience.clampedNanoseconds)
    }

    /// Gives back places reserved for `start` and not used.
    public mutating func giveBack(cost: Int = 1, startingAt start: Instant) {
        if self.window?.giveBack(cost: cost, startingAt: start) == nil { self.bucket.giveBack(cost: cost) }
    }

    /// Lets no call pass before `instant`.
    public mutating func pause(until instant: Instant) {
        if self.window?.pause(until: instant) == nil { self.bucket.pause(until: instant) }
    }

    /// Works by other values; what has been taken stays taken, unless the kind is another.
    public mutating func update(_ settings: RateLimitSettings) throws(InvalidSettingError) {
        try settings.validate()
        self.settings = settings
        self.nextBucket = settings.emptyBucket
        let window = self.window
        self.window = settings.emptyWindow
        if let window { self.window?.takeOver(window) }
    }

    /// Changes the bucket, now that the time is known.
    private mutating func changeBucket(at now: Instant) {
        guard let nextBucket = self.nextBucket else { return }
        self.bucket.change(to: nextBucket, at: now)
        self.nextBucket = nil
    }

    // MARK: Places

    private var largestCost: Int { self.window == nil ? self.settings.burst : self.settings.count }

    private mutating func takesNow(_ cost: Int, at now: Instant) -> Bool {
        precondition(cost >= 1, "cost must be at least 1 (is \(cost))")
        guard cost <= self.largestCost else { return false }
        if case .taken = self.take(cost, at: now, patienceNanoseconds: 0) { return true }
        return false
    }

    private mutating func take(_ cost: Int, at now: Instant, patienceNanoseconds: Int64) -> RateDecision {
        self.changeBucket(at: now)
        return self.window?.take(at: now, cost: cost, patienceNanoseconds: patienceNanoseconds)
            ?? self.bucket.take(at: now, cost: cost, patienceNanoseconds: patienceNanoseconds)
    }

    /// How long until `cost` places come after `behind` others have gone, in nanoseconds.
    private mutating func wait(for cost: Int, behind: Int, at now: Instant) -> Int64 {
        self.changeBucket(at: now)
        guard cost <= self.largestCost else { return .max }
        return self.window?.wait(for: cost, behind: behind, at: now) ?? self.bucket.wait(for: behind + cost, at: now)
    }

    /// When the first in the queue can have its places.
    public mutating func nextWake(at now: Instant) -> Instant? {
        guard let first = self.queue.first() else { return nil }
        return now.advanced(byNanoseconds: self.wait(for: min(first.cost, self.largestCost), behind: 0, at: now))
    }

    private mutating func forget(_ ticket: Ticket) {
        guard let left = self.waiting.removeValue(forKey: ticket) else { return }
        self.queuedCosts[left.priority.rawValue] -= left.cost
    }
}
