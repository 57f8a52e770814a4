// SPDX-License-Identifier: Apache-2.0

extension RateLimit {
    /// Takes a place of a later moment, ahead of those who wait, for code that arranges its own waiting.
    ///
    /// - Parameters:
    ///   - cost: How much to take; at least 1.
    ///   - patience: How far ahead the place may be; the limit's own patience if nil.
    ///   - context: Whose time line and observer it is; the current operation's if nil.
    /// - Throws: ``RejectionError`` if there is no place that soon.
    public func reserve(
        cost: Int = 1, patience: Duration? = nil, in context: OperationContext? = nil
    ) throws(RejectionError) -> Reservation {
        let context = context ?? OperationContext.current ?? OperationContext(name: Self.policyName)
        let now = context.time.now
        switch self.reserve(cost, patience, at: now) {
        case .taken(let wait):
            return Reservation(limit: self, wait: wait, start: now.advanced(by: wait), cost: cost)
        case .refused(let retryAfter):
            throw self.rejection(.rateLimited, retryAfter, context)
        }
    }

    /// Waits for a place.
    ///
    /// - Throws: ``RejectionError`` if it would come after the limit's patience or the current deadline; `CancellationError`
    ///   if the task is cancelled meanwhile.
    public func acquire(cost: Int = 1) async throws {
        let context = OperationContext.current ?? OperationContext(name: Self.policyName)
        switch await self.turn(cost, context) {
        case .run: return
        case .cancelled: throw CancellationError()
        case .rejected(let error): throw error
        }
    }

    /// One place taken ahead of time.
    ///
    /// Dropped without having been used or cancelled it counts as used.
    public struct Reservation: ~Copyable, Sendable {
        private let limit: RateLimit
        /// How long it was to the place when it was taken; zero if it can be used at once.
        public let wait: Duration
        /// When the place comes.
        public let start: Instant
        private let cost: Int

        init(limit: RateLimit, wait: Duration, start: Instant, cost: Int) {
            self.limit = limit
            self.wait = wait
            self.start = start
            self.cost = cost
        }

        /// The place is used.
        public consuming func use() {}

        /// The place is given back.
        public consuming func cancel() { self.limit.giveBack(self.cost, startingAt: self.start) }
    }
}
