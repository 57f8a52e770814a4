// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Gathers single look-ups for a moment and loads them together: one query for a hundred keys where there were a hundred.
///
/// ```swift
/// let members = Batcher<Int, Member> { ids in try await store.members(ids) }
/// let member = try await members.value(for: 7)
/// ```
///
/// A batch is loaded `wait` after its first key, or as soon as it is full. Nothing is remembered: who asks after that starts,
/// or joins, the next batch; put a cache in front to keep values.
public final class Batcher<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private typealias Machine = BatcherMachine<Key>
    private typealias Answer = Result<Value?, any Error>

    /// Where one waiter stands between asking and being resumed.
    private enum Place {
        /// Suspended. Removed when its answer comes or it leaves.
        case parked(CheckedContinuation<Answer, Never>)
        /// Answered before it was suspended. Removed when it tries to suspend.
        case settled(Answer)
    }

    private struct State {
        var machine: Machine
        var places: [Machine.Ticket: Place] = [:]
        /// The alarm of the batch that is gathering.
        var alarm: (batch: Machine.BatchID, token: TimerToken)?
        var loads: [Machine.BatchID: Task<Void, Never>] = [:]

        /// The waiter to resume outside the lock, or nil if it is not suspended yet and will find its answer.
        mutating func settle(_ ticket: Machine.Ticket, _ answer: Answer) -> CheckedContinuation<Answer, Never>? {
            if case .parked(let continuation) = self.places.removeValue(forKey: ticket) { return continuation }
            self.places[ticket] = .settled(answer)
            return nil
        }

        mutating func takeAlarm(of batch: Machine.BatchID) -> TimerToken? {
            guard let alarm = self.alarm, alarm.batch == batch else { return nil }
            self.alarm = nil
            return alarm.token
        }
    }

    private let wait: Duration
    private let time: any TimeSource
    private let load: @Sendable ([Key]) async throws -> [Key: Value]
    private let state: Mutex<State>

    /// Creates a batcher.
    ///
    /// - Parameters:
    ///   - maximumBatchSize: Keys in one load; at least 1.
    ///   - wait: How long the first key of a batch waits for company; not negative.
    ///   - maximumPending: How many may wait at once; at least 1.
    ///   - time: The time line of the waits.
    ///   - load: Loads the values of the keys, each of which is given once; a key left out has no value. Runs outside every
    ///     caller's ``OperationContext``, since it serves many, and is cancelled when none of them waits any more.
    public init(
        maximumBatchSize: Int = 100,
        wait: Duration = .milliseconds(2),
        maximumPending: Int = 10_000,
        time: any TimeSource = SystemTime.shared,
        load: @escaping @Sendable ([Key]) async throws -> [Key: Value]
    ) {
        precondition(maximumBatchSize >= 1, "maximumBatchSize must be at least 1 (is \(maximumBatchSize))")
        precondition(wait >= .zero, "wait must not be negative (is \(wait))")
        precondition(maximumPending >= 1, "maximumPending must be at least 1 (is \(maximumPending))")
        self.wait = wait
        self.time = time
        self.load = load
        self.state = Mutex(State(machine: Machine(maximumBatchSize: maximumBatchSize, maximumPending: maximumPending)))
    }

    /// How many wait for a value; a cancelled load that has not ended counts as one.
    public var pendingCount: Int { self.state.withLock { $0.machine.pendingCount } }

    /// The value of `key`, loaded together with what others ask for; nil if it has none.
    ///
    /// - Throws: ``RejectionError`` if too many wait; `CancellationError`, at once, if the task was cancelled; the error of the
    ///   load, unchanged, to all who wait for it.
    public func value(for key: Key) async throws -> Value? {
        try Task.checkCancellation()
        guard case .joined(let ticket, let batch, let next) = self.state.withLock({ $0.machine.ask(key) }) else {
            throw RejectionError(policy: "batcher", reason: .queueFull)
        }
        switch next {
        case .wait: break
        case .setAlarm: self.setAlarm(for: batch)
        case .load(let keys): self.begin(batch, keys)
        }
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { self.park($0, ticket) }
        } onCancel: {
            self.leave(ticket)
        }.get()
    }

    // MARK: The waiter

    private func park(_ continuation: CheckedContinuation<Answer, Never>, _ ticket: Machine.Ticket) {
        let answer = self.state.withLock { state -> Answer? in
            if case .settled(let answer) = state.places.removeValue(forKey: ticket) { return answer }
            state.places[ticket] = .parked(continuation)
            return nil
        }
        if let answer { continuation.resume(returning: answer) }
    }

    private func leave(_ ticket: Machine.Ticket) {
        typealias Remains = (waiter: CheckedContinuation<Answer, Never>?, alarm: TimerToken?, load: Task<Void, Never>?)
        let remains = self.state.withLock { state -> Remains in
            let departure = state.machine.leave(ticket)
            if case .answered = departure { return (nil, nil, nil) }
            let waiter = state.settle(ticket, .failure(CancellationError()))
            switch departure {
            case .answered, .others: return (waiter, nil, nil)
            case .noGathering(let batch): return (waiter, state.takeAlarm(of: batch), nil)
            case .noLoad(let batch): return (waiter, nil, state.loads.removeValue(forKey: batch))
            }
        }
        if let alarm = remains.alarm { self.time.cancel(alarm) }
        remains.load?.cancel()
        remains.waiter?.resume(returning: .failure(CancellationError()))
    }

    // MARK: The batch

    private func setAlarm(for batch: Machine.BatchID) {
        let token = self.time.schedule(at: self.time.now.advanced(by: self.wait)) {
            if let keys = self.state.withLock({ $0.machine.ring(batch) }) { self.begin(batch, keys) }
        }
        let isLate = self.state.withLock { state in
            if state.machine.isGathering(batch) { state.alarm = (batch, token) }
            return !state.machine.isGathering(batch)
        }
        if isLate { self.time.cancel(token) }
    }

    /// Starts the load of a batch.
    ///
    /// In an unstructured task, since it must outlive the waiter who happened to come last, and detached, since it is not that
    /// one's alone: neither its context nor its cancellation applies. It ends with the load and is cancelled with its last waiter.
    private func begin(_ batch: Machine.BatchID, _ keys: [Key]) {
        let task = Task.detached {
            self.finish(batch, await .catching { try await self.load(keys) })
        }
        let (alarm, isWanted) = self.state.withLock { state in
            if state.machine.isWanted(batch) { state.loads[batch] = task }
            return (state.takeAlarm(of: batch), state.machine.isWanted(batch))
        }
        if let alarm { self.time.cancel(alarm) }
        if !isWanted { task.cancel() }
    }

    private func finish(_ batch: Machine.BatchID, _ result: Result<[Key: Value], any Error>) {
        let waiters = self.state.withLock { state in
            state.loads[batch] = nil
            return state.machine.finish(batch).compactMap { ticket, key in
                let answer = result.map { $0[key] }
                return state.settle(ticket, answer).map { (waiter: $0, answer: answer) }
            }
        }
        for (waiter, answer) in waiters { waiter.resume(returning: answer) }
    }
}
