// SPDX-License-Identifier: Apache-2.0

/// The one alarm of a queue: set outside the lock that guards this, replaced by an earlier one, and never lost in between.
///
/// Setting an alarm takes two steps, since a time source must not be called under a lock: ``plan(_:)`` notes that there will be
/// one, and ``note(_:for:)`` its token. An alarm that rang or was replaced between the two is recognised by its number.
package struct QueueAlarm: Sendable {
    private var number: UInt64 = 0
    private var planned: (instant: Instant, token: TimerToken?)?

    package init() {}

    /// Plans an alarm, unless one rings by then anyway.
    ///
    /// - Returns: The number of the alarm to set, or nil, and the token of one to cancel.
    package mutating func plan(_ instant: Instant) -> (number: UInt64?, cancelled: TimerToken?) {
        if let planned = self.planned, planned.instant <= instant { return (nil, nil) }
        let cancelled = self.planned?.token
        self.number &+= 1
        self.planned = (instant, nil)
        return (self.number, cancelled)
    }

    /// Takes note of a planned alarm's token.
    ///
    /// - Returns: False if it is not wanted any more and is to be cancelled.
    package mutating func note(_ token: TimerToken, for number: UInt64) -> Bool {
        guard number == self.number, self.planned != nil else { return false }
        self.planned?.token = token
        return true
    }

    /// The alarm has rung.
    package mutating func ring(_ number: UInt64) {
        if number == self.number { self.planned = nil }
    }

    /// Nobody waits any more.
    ///
    /// - Returns: The token of an alarm to cancel.
    package mutating func clear() -> TimerToken? {
        self.number &+= 1
        defer { self.planned = nil }
        return self.planned?.token
    }
}
