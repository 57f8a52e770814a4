// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Where the attempts of one hedged call run when its caller is on no actor: one after the other, never at the same moment.
actor HedgeIsolation {}

/// The attempts of one hedged call.
///
/// Unchecked, because `next` is called by several tasks; they all run on `isolation`, so it is never running in two of them, and
/// whatever it captures is touched by one thread at a time. They are unstructured because each must be cancelled on its own, and
/// are all awaited before the call returns.
final class HedgeRace<Value, Failure: Error>: @unchecked Sendable {
    /// Something that the call waits for.
    enum Event {
        /// It is time for another attempt; the number says which alarm it was.
        case alarm(Int)
        /// An attempt ended, so long after it was started.
        case ended(attempt: Int, Outcome<Value, Failure>, Duration)
    }

    private struct State {
        var events: [Event] = []
        var suspension: CheckedContinuation<Event, Never>?
        var tasks: [Task<Void, Never>] = []
        var running = 0
        var isCancelled = false
        /// The alarm that is set; the ones before it are late news.
        var alarm = 0
        /// The layers inside, until every attempt has ended: the closure must not be held by then, and an alarm that is about
        /// to ring still holds the race.
        var next: ((OperationContext) async -> Outcome<Value, Failure>)?
    }

    private let context: OperationContext
    private let isolation: any Actor
    private let state = Mutex(Unchecked(State()))

    init(
        _ context: OperationContext, on isolation: any Actor,
        _ next: @escaping (OperationContext) async -> Outcome<Value, Failure>
    ) {
        self.context = context
        self.isolation = isolation
        self.state.withLock { $0.value.next = next }
    }

    /// How many attempts have not ended, or ended unnoticed.
    var running: Int { self.state.withLock { $0.value.running } }

    /// Starts an attempt; 0 is the first.
    func start(attempt: Int) {
        var context = self.context
        context.attempt += attempt
        if attempt > 0 { context.attemptStart = context.time.now }
        let attemptContext = context
        let task = Task { await self.run(attempt, attemptContext, isolation: self.isolation) }
        let isCancelled = self.state.withLock { state in
            state.value.running += 1
            state.value.tasks.append(task)
            return state.value.isCancelled
        }
        if isCancelled { task.cancel() }
    }

    private func run(_ attempt: Int, _ context: OperationContext, isolation: isolated any Actor) async {
        let outcome = await self.outcome(context, isolation: isolation)
        self.post(.ended(attempt: attempt, outcome, context.attemptStart.duration(to: context.time.now)))
    }

    /// A function of its own, so that its hold on the closure ends before anybody learns that the attempt has.
    private func outcome(_ context: OperationContext, isolation: isolated any Actor) async -> Outcome<Value, Failure> {
        guard let next = self.state.withLock({ Unchecked($0.value.next) }).value else { return .cancelled }
        return await next(context)
    }

    /// The next event; an alarm if `instant` comes first.
    func next(alarm instant: Instant?) async -> Event {
        let number = self.state.withLock { state in
            state.value.alarm += 1
            return state.value.alarm
        }
        let alarm = instant.map { instant in self.context.time.schedule(at: instant) { self.post(.alarm(number)) } }
        let event = await withCheckedContinuation { (continuation: CheckedContinuation<Event, Never>) in
            let event = self.state.withLock { state -> Unchecked<Event>? in
                if !state.value.events.isEmpty { return Unchecked(state.value.events.removeFirst()) }
                state.value.suspension = continuation
                return nil
            }
            if let event { continuation.resume(returning: event.value) }
        }
        if let alarm { self.context.time.cancel(alarm) }
        self.state.withLock { state in
            state.value.alarm += 1
            if case .ended = event { state.value.running -= 1 }
            state.value.events.removeAll { if case .alarm = $0 { true } else { false } }
        }
        return event
    }

    private func post(_ event: Event) {
        let event = Unchecked(event)
        let continuation = self.state.withLock { state -> CheckedContinuation<Event, Never>? in
            if case .alarm(let number) = event.value, number != state.value.alarm { return nil }
            guard let suspension = state.value.suspension else {
                state.value.events.append(event.value)
                return nil
            }
            state.value.suspension = nil
            return suspension
        }
        continuation?.resume(returning: event.value)
    }

    /// Tells every attempt to stop.
    func cancelAll() {
        let tasks = self.state.withLock { state in
            state.value.isCancelled = true
            return state.value.tasks
        }
        for task in tasks { task.cancel() }
    }

    /// Tells every attempt to stop, and returns when all have.
    func stopAll() async {
        self.cancelAll()
        for task in self.state.withLock({ $0.value.tasks }) { await task.value }
        self.state.withLock { $0.value.next = nil }
    }
}
