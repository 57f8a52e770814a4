// SPDX-License-Identifier: Apache-2.0

/// The rules of a ``Batcher`` alone: who waits for which batch, and when one is loaded or given up.
public struct BatcherMachine<Key: Hashable & Sendable>: Sendable {
    /// Names one waiter.
    public typealias Ticket = UInt64
    /// Names one batch.
    public typealias BatchID = UInt64

    /// What asking for a key came to.
    public enum Admission: Sendable, Hashable {
        /// It waits for this batch.
        case joined(Ticket, BatchID, Next)
        /// As many wait as may.
        case full
    }

    /// What is to be done for the batch that was joined.
    public enum Next: Sendable, Hashable {
        /// It is new: set its alarm.
        case setAlarm
        /// It is complete: load it.
        case load([Key])
        /// Nothing: it waits for its alarm.
        case wait
    }

    /// What a waiter leaves behind.
    public enum Departure: Sendable, Hashable {
        /// Its answer is there already.
        case answered
        /// Others who wait.
        case others
        /// A batch that nobody wants: call off its alarm.
        case noGathering(BatchID)
        /// A load that nobody wants: cancel it.
        case noLoad(BatchID)
    }

    private struct Batch: Sendable {
        /// Each once, in order of arrival.
        var keys: [Key] = []
        var waiters: [Ticket: Key] = [:]
    }

    private let maximumBatchSize: Int
    private let maximumPending: Int
    private var batches: [BatchID: Batch] = [:]
    /// The batch that still takes keys; all others are being loaded.
    private var gathering: BatchID?
    private var homes: [Ticket: BatchID] = [:]
    /// Loads that nobody waits for and that have not ended yet.
    private var orphanCount = 0
    private var lastID: UInt64 = 0

    /// Creates a machine whose batches have at most so many keys and for which at most so many wait.
    public init(maximumBatchSize: Int, maximumPending: Int) {
        self.maximumBatchSize = maximumBatchSize
        self.maximumPending = maximumPending
    }

    /// How many wait, an orphaned load that goes on counting as one.
    public var pendingCount: Int { self.homes.count + self.orphanCount }

    /// Asks for a key.
    public mutating func ask(_ key: Key) -> Admission {
        guard self.pendingCount < self.maximumPending else { return .full }
        let isNew = self.gathering == nil
        let id = self.gathering ?? self.nextID()
        let ticket = self.nextID()
        var batch = self.batches.removeValue(forKey: id) ?? Batch()
        // A batch is short, and its keys need not be hashed twice.
        if !batch.keys.contains(key) { batch.keys.append(key) }
        batch.waiters[ticket] = key
        self.batches[id] = batch
        self.homes[ticket] = id
        self.gathering = id
        if batch.keys.count == self.maximumBatchSize {
            self.gathering = nil
            return .joined(ticket, id, .load(batch.keys))
        }
        return .joined(ticket, id, isNew ? .setAlarm : .wait)
    }

    /// The batch's time has come.
    ///
    /// - Returns: The keys to load, or nil if that was done, or given up, before.
    public mutating func ring(_ id: BatchID) -> [Key]? {
        guard self.gathering == id else { return nil }
        self.gathering = nil
        return self.batches[id]?.keys
    }

    /// Waits no longer.
    public mutating func leave(_ ticket: Ticket) -> Departure {
        guard let id = self.homes.removeValue(forKey: ticket), var batch = self.batches.removeValue(forKey: id),
            let key = batch.waiters.removeValue(forKey: ticket)
        else { return .answered }
        if batch.waiters.isEmpty {
            if self.gathering == id {
                self.gathering = nil
                return .noGathering(id)
            }
            self.orphanCount += 1
            return .noLoad(id)
        }
        if self.gathering == id, !batch.waiters.values.contains(key) { batch.keys.removeAll { $0 == key } }
        self.batches[id] = batch
        return .others
    }

    /// The load has ended.
    ///
    /// - Returns: Those who waited for it, each with its key.
    public mutating func finish(_ id: BatchID) -> [Ticket: Key] {
        guard let batch = self.batches.removeValue(forKey: id) else {
            self.orphanCount -= 1
            return [:]
        }
        for ticket in batch.waiters.keys { self.homes[ticket] = nil }
        return batch.waiters
    }

    /// Whether the batch still takes keys.
    public func isGathering(_ id: BatchID) -> Bool { self.gathering == id }
    /// Whether somebody waits for the batch.
    public func isWanted(_ id: BatchID) -> Bool { self.batches[id] != nil }

    private mutating func nextID() -> UInt64 {
        self.lastID += 1
        return self.lastID
    }
}
