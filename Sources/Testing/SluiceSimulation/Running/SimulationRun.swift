// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// One run of a ``Simulation``: starts the calls, and moves time.
///
/// The actor is there for its executor: what it calls runs where it does.
actor SimulationRun {
    private struct Progress {
        var isDriven = false
        var callsUnderWay = 0
        var tasks: [Int: Task<Void, Never>] = [:]
        var requests = 0
        var isTooMuch = false
    }

    nonisolated let recorder: SimulationRecorder
    private nonisolated let executor = SimulationExecutor()
    private nonisolated let time = SimulationTime()
    private nonisolated let load: Load
    private nonisolated let seed: UInt64
    private nonisolated let service: SimulatedService
    private nonisolated let pipeline: Pipeline<AnyPolicy>
    private nonisolated let progress = Mutex(Progress())
    private nonisolated let isStopped = Atomic(false)

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    init(_ simulation: Simulation, layers: [any Policy]) {
        self.load = simulation.load
        self.seed = simulation.seed
        self.service = SimulatedService(simulation.service, self.time, seed: simulation.seed)
        let limit = layers.lazy.compactMap { $0 as? ConcurrencyLimit }.first
        self.recorder = SimulationRecorder(self.time, outages: simulation.service.outages, limit: limit)
        let nest = AnyPolicy(nesting: Self.watched(layers, self.executor))
        self.pipeline = Pipeline(
            simulation.name, isIdempotent: simulation.load.isIdempotent, time: self.time, observer: self.recorder
        ) { nest }
    }

    /// The layers, and between them what keeps them on the simulation's thread.
    private static func watched(_ layers: [any Policy], _ executor: SimulationExecutor) -> [any Policy] {
        let inside = StayOnExecutor(executor: executor)
        return [inside]
            + layers.flatMap { layer -> [any Policy] in
                switch layer {
                case is Hedge: [HedgeEntrance(executor: executor), layer, inside, HedgeAttempt()]
                // Starts no task, and must be the last.
                case is Chaos: [layer]
                default: [layer, inside]
                }
            }
    }

    nonisolated var hasMadeTooManyRequests: Bool {
        self.progress.withLock { $0.isTooMuch }
    }

    /// Ends the run early, from any thread.
    nonisolated func stop() { self.isStopped.store(true, ordering: .relaxed) }

    // MARK: The thread

    /// Runs everything, on the calling thread.
    nonisolated func work(_ report: (@Sendable (Double) -> Void)?) {
        self.executor.adoptThread()
        self.executor.expect(1)
        // Unstructured, because the loop below is what runs it; the loop ends after the task has.
        Task { await self.drive() }
        let whole = self.load.duration.inSeconds
        let end = SimulationTime.start.advanced(by: self.load.duration).advanced(by: Simulation.maximumAftermath)
        var reported = 0.0
        repeat {
            self.executor.drain()
            if self.isStopped.load(ordering: .relaxed) || self.hasMadeTooManyRequests { break }
            let part = min(1, self.time.elapsed.inSeconds / whole)
            if let report, part >= reported + 0.01 {
                report(part)
                reported = part
            }
        } while !self.isOver && self.time.advanceToNextAlarm(until: end)
        self.endUnfinished()
        self.recorder.end()
    }

    private nonisolated var isOver: Bool { self.progress.withLock { $0.isDriven && $0.callsUnderWay == 0 } }

    /// Cancels what is still under way, and lets it end.
    private nonisolated func endUnfinished() {
        self.stop()
        for task in self.progress.withLock({ $0.tasks.sorted { $0.key < $1.key }.map(\.value) }) { task.cancel() }
        self.executor.drain()
        // What waits without looking at cancellation has an alarm for its end.
        while !self.isOver, self.time.advanceToNextAlarm(until: .distantFuture) { self.executor.drain() }
    }

    // MARK: The calls

    private func drive() async {
        self.executor.expect(-1)
        await withTaskExecutorPreference(self.executor) { await self.startCalls() }
    }

    private func startCalls() async {
        var arrivals = ArrivalTimes(self.load, seed: self.seed)
        var index = 0
        while let offset = arrivals.next(), !self.isStopped.load(ordering: .relaxed) {
            try? await self.time.sleep(until: SimulationTime.start.advanced(by: offset))
            let call = SimulatedCall(index: index)
            // Unstructured, because a task group would keep a record of every call; awaited by the loop, which ends when no call is
            // under way.
            let task = Task { await self.run(call) }
            self.progress.withLock { progress in
                progress.callsUnderWay += 1
                progress.tasks[call.index] = task
            }
            index += 1
        }
        self.progress.withLock { $0.isDriven = true }
    }

    private func run(_ call: SimulatedCall) async {
        let start = self.time.now
        self.recorder.begin()
        let outcome = await SimulatedCall.$current.withValue(call) {
            await self.pipeline.outcome { (_: OperationContext) async throws in try await self.send(call) }
        }
        self.recorder.end(outcome, after: start.duration(to: self.time.now))
        self.progress.withLock { progress in
            progress.callsUnderWay -= 1
            progress.tasks[call.index] = nil
        }
    }

    private func send(_ call: SimulatedCall) async throws {
        let request = call.nextRequest()
        let isTooMuch = self.progress.withLock { progress in
            progress.requests += 1
            progress.isTooMuch =
                progress.isTooMuch || progress.requests > Simulation.maximumRequests
                || request > Simulation.maximumRequestsOfCall
            return progress.isTooMuch
        }
        // A retry without waits would go on for ever within one instant; a cancellation ends it.
        if isTooMuch { throw CancellationError() }
        self.recorder.send()
        try await self.service.answer(call: call.index, request: request)
    }
}

/// One call of a simulation.
final class SimulatedCall: Sendable {
    @TaskLocal static var current: SimulatedCall?

    let index: Int
    private let requests = Atomic(0)

    init(index: Int) {
        self.index = index
    }

    func nextRequest() -> Int { self.requests.wrappingAdd(1, ordering: .relaxed).newValue }
}
