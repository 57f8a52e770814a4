// SPDX-License-Identifier: Apache-2.0

// Public because what is inlined below into the caller's module locks the lock there.
public import Synchronization

/// Where one feeder puts items down and up to `limit` workers pick them up, handing in results on the way.
///
/// At most `limit` items lie here and a feeder that is further ahead waits, so a sequence is never read far beyond the work.
/// No item waits for a particular worker, so a slow one holds up nothing but its own item.
///
/// Nothing here listens for cancellation, since nobody waits here unless somebody is awake who will see it: workers wait only
/// while nothing lies here, and then the feeder is reading; the feeder waits only while `limit` items lie here, and then
/// workers are at work.
@usableFromInline
final class Handoff<Item: Sendable, Results: Collector>: Sendable {
    /// An item and its place in the sequence, counted from 0.
    @usableFromInline typealias Numbered = (index: Int, item: Item)

    /// What the feeder should do next.
    @usableFromInline
    enum Advice {
        /// Read the next item; before that start a worker if `startingWorker`, and await ``room()`` unless `hasRoom`.
        case goOn(startingWorker: Bool, hasRoom: Bool)
        /// Read no further: nobody will work on it.
        case stop
    }

    @usableFromInline
    enum Pick {
        case item(Numbered)
        case nothingYet
        case over
    }

    @usableFromInline
    struct State {
        /// Items from `head` on; those before it are picked up.
        @usableFromInline var items: [Item?] = []
        @usableFromInline var head = 0
        /// How many items were put down so far, so the index of the next.
        @usableFromInline var putCount = 0
        @usableFromInline var workerCount = 0
        /// Workers with nothing to do.
        @usableFromInline var idle: [CheckedContinuation<Numbered?, Never>] = []
        /// The feeder, while it waits for room.
        @usableFromInline var feeder: CheckedContinuation<Void, Never>?
        /// No item will follow.
        @usableFromInline var isFinished = false
        /// No item will be begun any more.
        @usableFromInline var isStopped = false
        @usableFromInline var results: Results

        @inlinable
        init(_ results: Results) {
            self.results = results
        }

        @inlinable var count: Int { self.items.count - self.head }

        @inlinable
        mutating func pick() -> Pick {
            if self.isStopped { return .over }
            guard self.head < self.items.count, let item = self.items[self.head].take() else {
                return self.isFinished ? .over : .nothingYet
            }
            let index = self.putCount - self.count
            self.head += 1
            // The picked-up part is dropped once it is the larger part.
            if self.head == self.items.count || (self.head > 32 && self.head * 2 > self.items.count) {
                self.items.removeFirst(self.head)
                self.head = 0
            }
            return .item((index, item))
        }
    }

    @usableFromInline let limit: Int
    @usableFromInline let state: Mutex<State>

    @inlinable
    init(limit: Int, _ results: Results) {
        precondition(limit >= 1, "limit must be at least 1 (is \(limit))")
        self.limit = limit
        self.state = Mutex(State(results))
    }

    /// The results so far.
    @inlinable var results: Results { self.state.withLock { $0.results } }

    // MARK: The feeder

    /// Puts an item down.
    @inlinable
    func put(_ item: Item) -> Advice {
        typealias Worker = CheckedContinuation<Numbered?, Never>
        let (advice, worker, index) = self.state.withLock { state -> (Advice, Worker?, Int) in
            if state.isStopped { return (.stop, nil, 0) }
            let index = state.putCount
            state.putCount += 1
            if let worker = state.idle.popLast() {
                return (.goOn(startingWorker: false, hasRoom: true), worker, index)
            }
            state.items.append(item)
            let startingWorker = state.workerCount < self.limit
            if startingWorker { state.workerCount += 1 }
            return (.goOn(startingWorker: startingWorker, hasRoom: state.count < self.limit), nil, index)
        }
        worker?.resume(returning: (index, item))
        return advice
    }

    /// Returns when no more than half of what may lie here does, so that the feeder is not woken for every item.
    @inlinable
    func room() async {
        await withCheckedContinuation { continuation in
            let isFree = self.state.withLock { state in
                if state.isStopped || state.count <= self.limit / 2 { return true }
                state.feeder = continuation
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    /// Says that no item will follow.
    @inlinable
    func finish() {
        let idle = self.state.withLock { state in
            state.isFinished = true
            defer { state.idle = [] }
            return state.idle
        }
        for worker in idle { worker.resume(returning: nil) }
    }

    /// Says that no item is to be begun any more.
    @inlinable
    func stop() {
        let (idle, feeder) = self.state.withLock { state in
            state.isStopped = true
            defer { (state.items, state.head, state.idle, state.feeder) = ([], 0, [], nil) }
            return (state.idle, state.feeder)
        }
        for worker in idle { worker.resume(returning: nil) }
        feeder?.resume()
    }

    // MARK: A worker

    /// Works on one item after the other until there are no more.
    ///
    /// - Throws: The first error of `body`; after it nothing is begun by anyone.
    @inlinable
    func work(_ body: @Sendable (Item) async throws -> Results.Value) async throws {
        var next = await self.next(handingIn: nil)
        while let (index, item) = next {
            if Task.isCancelled { return self.stop() }
            do {
                next = await self.next(handingIn: (index, try await body(item)))
            } catch {
                self.stop()
                throw error
            }
        }
    }

    /// Hands in a result, if there is one, and picks up the next item: one lock for both.
    @inlinable
    func next(handingIn done: (index: Int, value: Results.Value)?) async -> Numbered? {
        let (pick, feeder) = self.state.withLock { state in
            if let done { state.results.collect(done.value, at: done.index) }
            let pick = state.pick()
            return (pick, state.count <= self.limit / 2 ? state.feeder.take() : nil)
        }
        feeder?.resume()
        switch pick {
        case .item(let item): return item
        case .over: return nil
        case .nothingYet: return await withCheckedContinuation { self.park($0) }
        }
    }

    /// Suspends a worker, unless something came between looking and suspending.
    @inlinable
    func park(_ worker: CheckedContinuation<Numbered?, Never>) {
        let pick = self.state.withLock { state in
            let pick = state.pick()
            if case .nothingYet = pick { state.idle.append(worker) }
            return pick
        }
        switch pick {
        case .item(let item): worker.resume(returning: item)
        case .over: worker.resume(returning: nil)
        case .nothingYet: break
        }
    }
}
