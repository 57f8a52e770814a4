// SPDX-License-Identifier: Apache-2.0

/// Names an alarm in a ``TimerWheel``; used once, so that a late cancellation cannot hit a newer alarm.
public struct TimerToken: Hashable, Sendable {
    let slot: Int32
    let generation: UInt32
}

/// A hierarchical timer wheel: alarms in, due alarms out, and no clock, thread or lock.
///
/// Six levels of 64 slots, a slot of level *n* covering 64ⁿ ticks. An alarm is filed at the level where its time first differs
/// from the present, moves down as time comes closer, and is removed for real when it is cancelled.
///
/// - Complexity: `insert` and `remove` are O(1); `advance` is O(1) for each alarm it returns or moves.
/// - Source: G. Varghese, A. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
public struct TimerWheel<Payload> {
    private static var levels: Int { 6 }
    private static var bitsPerLevel: Int { 6 }
    /// How far ahead an alarm can be filed, in ticks: 63 slots of the last level, two years of milliseconds.
    private static var horizon: Int64 { 63 << Int64((levels - 1) * bitsPerLevel) }

    private struct Entry {
        var payload: Payload?
        var tick: Int64
        var generation: UInt32
        var next: Int32
        var previous: Int32
        /// Which list the entry is in: level times 64 plus slot.
        var list: Int32
    }

    private var entries: [Entry] = []
    private var free: Int32 = -1
    /// The generation of new entries, later than that of any entry there was before the last ``shrink()``.
    private var firstGeneration: UInt32 = 0
    private var lastGeneration: UInt32 = 0
    /// The first entry of each of the 6 × 64 lists, or -1.
    private var heads = [Int32](repeating: -1, count: 6 * 64)
    /// For each level, which of its 64 lists are not empty.
    private var occupied = [UInt64](repeating: 0, count: 6)

    /// The tick up to which alarms have been returned.
    public private(set) var currentTick: Int64
    /// How many alarms are waiting.
    public private(set) var count = 0

    /// Creates an empty wheel that stands at `currentTick`.
    public init(currentTick: Int64 = 0) {
        self.currentTick = currentTick
    }

    /// Files `payload` to be returned once the wheel has advanced to `tick`; at the next advance if that is in the past.
    public mutating func insert(_ payload: Payload, at tick: Int64) -> TimerToken {
        let index = self.allocate(payload, tick: max(tick, self.currentTick))
        self.link(index)
        self.count += 1
        return TimerToken(slot: index, generation: self.entries[Int(index)].generation)
    }

    /// Takes an alarm out.
    ///
    /// - Returns: Its payload, or nil if it was returned or removed before.
    public mutating func remove(_ token: TimerToken) -> Payload? {
        let index = Int(token.slot)
        guard index < self.entries.count, self.entries[index].generation == token.generation else { return nil }
        self.unlink(token.slot)
        return self.release(token.slot)
    }

    /// A tick at which ``advance(to:)`` has something to do and before which it has not, or nil if the wheel is empty.
    ///
    /// For an alarm far away this is the tick at which it moves down a level, so a waiting thread may wake a few times
    /// (at most five) before it is due.
    public var nextTick: Int64? {
        var earliest: Int64?
        for level in 0..<Self.levels where self.occupied[level] != 0 {
            let shift = Int64(level * Self.bitsPerLevel)
            let position = Int((self.currentTick >> shift) & 63)
            let rotated = self.occupied[level].rotatedRight(by: position)
            let distance = Int64(rotated.trailingZeroBitCount)
            let tick = ((self.currentTick >> shift) + distance) << shift
            earliest = min(earliest ?? .max, max(tick, self.currentTick))
        }
        return earliest
    }

    /// Moves the wheel to `tick` and returns what has become due, earliest first.
    public mutating func advance(to tick: Int64) -> [Payload] {
        var due: [Payload] = []
        while let next = self.nextTick, next <= tick {
            self.currentTick = next
            self.collect(into: &due)
        }
        self.currentTick = max(self.currentTick, tick)
        return due
    }

    /// Returns the alarms due at `currentTick` and refiles those whose slot begins there.
    private mutating func collect(into due: inout [Payload]) {
        for level in (0..<Self.levels).reversed() {
            let slot = Int((self.currentTick >> Int64(level * Self.bitsPerLevel)) & 63)
            guard self.occupied[level] & (1 << UInt64(slot)) != 0 else { continue }
            var index = self.heads[level * 64 + slot]
            while index >= 0 {
                let next = self.entries[Int(index)].next
                self.unlink(index)
                if self.entries[Int(index)].tick <= self.currentTick {
                    if let payload = self.release(index) { due.append(payload) }
                } else {
                    self.link(index)
                }
                index = next
            }
        }
    }

    // MARK: Lists

    private mutating func link(_ index: Int32) {
        let tick = self.entries[Int(index)].tick
        // An alarm past the horizon waits in the last slot the wheel reaches, and is filed again from there.
        let reached = min(tick, self.currentTick + Self.horizon)
        let difference = UInt64(bitPattern: reached ^ self.currentTick)
        let highest = difference == 0 ? 0 : 63 - difference.leadingZeroBitCount
        let level = min(highest / Self.bitsPerLevel, Self.levels - 1)
        let slot = Int((reached >> Int64(level * Self.bitsPerLevel)) & 63)
        let list = level * 64 + slot
        let head = self.heads[list]
        self.entries[Int(index)].list = Int32(list)
        self.entries[Int(index)].previous = -1
        self.entries[Int(index)].next = head
        if head >= 0 { self.entries[Int(head)].previous = index }
        self.heads[list] = index
        self.occupied[level] |= 1 << UInt64(slot)
    }

    private mutating func unlink(_ index: Int32) {
        let entry = self.entries[Int(index)]
        if entry.previous >= 0 {
            self.entries[Int(entry.previous)].next = entry.next
        } else {
            self.heads[Int(entry.list)] = entry.next
            if entry.next < 0 { self.occupied[Int(entry.list) / 64] &= ~(1 << UInt64(entry.list % 64)) }
        }
        if entry.next >= 0 { self.entries[Int(entry.next)].previous = entry.previous }
    }

    private mutating func allocate(_ payload: Payload, tick: Int64) -> Int32 {
        guard self.free >= 0 else {
            self.entries.append(
                Entry(
                    payload: payload, tick: tick, generation: self.firstGeneration, next: -1, previous: -1, list: 0))
            return Int32(self.entries.count - 1)
        }
        let index = self.free
        self.free = self.entries[Int(index)].next
        self.entries[Int(index)].payload = payload
        self.entries[Int(index)].tick = tick
        return index
    }

    private mutating func release(_ index: Int32) -> Payload? {
        defer {
            self.entries[Int(index)].payload = nil
            self.entries[Int(index)].generation &+= 1
            self.lastGeneration = max(self.lastGeneration, self.entries[Int(index)].generation)
            self.entries[Int(index)].next = self.free
            self.free = index
            self.count -= 1
            if self.count == 0, self.entries.count > 4_096 { self.shrink() }
        }
        return self.entries[Int(index)].payload
    }

    /// Gives back the memory of a flood of alarms once the last of them is gone.
    private mutating func shrink() {
        self.entries = []
        self.free = -1
        // Later than any token given out, so that none of those can name an alarm to come.
        self.firstGeneration = self.lastGeneration &+ 1
    }
}

extension UInt64 {
    fileprivate func rotatedRight(by count: Int) -> UInt64 {
        (self >> UInt64(count)) | (self << UInt64((64 - count) & 63))
    }
}
