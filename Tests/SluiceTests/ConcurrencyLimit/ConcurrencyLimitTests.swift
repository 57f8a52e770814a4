// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Concurrency limit", .timeLimit(.minutes(5)))
struct ConcurrencyLimitTests {
    let time = VirtualTime()
    let gate = Gate()
    private let order = Locked<[Int]>([])

    private func pipeline(_ limit: ConcurrencyLimit) -> Pipeline<ConcurrencyLimit> {
        Pipeline("p", time: self.time) { limit }
    }

    /// Takes every place and keeps it until the gate opens.
    private func occupy(_ limit: ConcurrencyLimit) async -> [Task<Void, any Error>] {
        let pipeline = self.pipeline(limit)
        let tasks = (0..<limit.limit).map { _ in Task { try await pipeline { try await self.gate.pass() } } }
        await self.gate.waitForArrivals(limit.limit)
        return tasks
    }

    /// Queues a call that notes its number when it runs.
    private func queue(
        _ number: Int, _ limit: ConcurrencyLimit, priority: OperationPriority = .normal
    ) async -> Task<String, Never> {
        var context = OperationContext(name: "caller", time: self.time)
        context.priority = priority
        let (bound, pipeline, queued) = (context, self.pipeline(limit), limit.queued)
        let hasEnded = Locked(false)
        let task = Task {
            await OperationContext.$current.withValue(bound) {
                let outcome = await pipeline.outcome { _ in self.order.withLock { $0.append(number) } }
                hasEnded.withLock { $0 = true }
                if case .rejected(let rejection) = outcome { return rejection.reason.description }
                return outcome.label
            }
        }
        while limit.queued == queued, !hasEnded.withLock({ $0 }) { await Task.yield() }
        return task
    }

    @Test("no more than the limit run at once, and everybody does in the end")
    func limit() async {
        let limit = ConcurrencyLimit(3)
        let pipeline = self.pipeline(limit)
        let running = Locked((now: 0, most: 0, all: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<500 {
                group.addTask {
                    _ = await pipeline.outcome { _ in
                        running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1), $0.all + 1) }
                        await Task.yield()
                        running.withLock { $0.now -= 1 }
                    }
                }
            }
        }
        #expect(running.withLock { $0.most } <= 3)
        #expect(running.withLock { $0.all } == 500)
        #expect(limit.inFlight == 0)
        #expect(self.time.alarmCount == 0)
    }

    @Test(
        "serves who waits in the order asked for, and higher priorities first",
        arguments: [
            (ConcurrencyLimitSettings.Order.fifo, [4, 1, 2, 3]), (.lifo, [4, 3, 2, 1]), (.codel, [4, 1, 2, 3]),
        ])
    func order(order: ConcurrencyLimitSettings.Order, expected: [Int]) async throws {
        let limit = ConcurrencyLimit(ConcurrencyLimitSettings(maximum: 1, order: order))
        let holders = await self.occupy(limit)
        var tasks: [Task<String, Never>] = []
        for number in 1...4 {
            tasks.append(await self.queue(number, limit, priority: number == 4 ? .high : .normal))
        }
        self.gate.open()
        for task in tasks { #expect(await task.value == "success") }
        for holder in holders { try await holder.value }
        #expect(self.order.withLock { $0 } == expected)
    }

    @Test("a full queue turns away who matters no more, and makes room for who does")
    func shedding() async throws {
        let limit = ConcurrencyLimit(1, maximumQueued: 1)
        let holders = await self.occupy(limit)
        let low = await self.queue(1, limit, priority: .low)
        #expect(await self.queue(2, limit, priority: .low).value == "queueFull")
        // One leaves and one comes, so the number of those who wait stays, and this returns when the gate is open.
        async let high = self.queue(3, limit, priority: .high).value
        #expect(await low.value == "shed")
        #expect(await self.queue(4, limit, priority: .normal).value == "queueFull")
        self.gate.open()
        #expect(await high == "success")
        for holder in holders { try await holder.value }
        #expect(self.order.withLock { $0 } == [3])
        #expect(self.time.alarmCount == 0)
    }

    @Test("without a queue, who cannot run at once is turned away")
    func noQueue() async throws {
        let limit = ConcurrencyLimit(1, maximumQueued: 0)
        let holders = await self.occupy(limit)
        #expect(await self.queue(1, limit).value == "queueFull")
        self.gate.open()
        for holder in holders { try await holder.value }
    }

    @Test("who waits leaves when its patience ends, and the place goes to the next")
    func patience() async throws {
        let limit = ConcurrencyLimit(ConcurrencyLimitSettings(maximum: 1, patience: .seconds(5)))
        let holders = await self.occupy(limit)
        let first = await self.queue(1, limit)
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(3))
        let second = await self.queue(2, limit)
        await self.time.waitForAlarms(2)
        self.time.advance(by: .seconds(2))
        #expect(await first.value == "queueExpired")
        self.gate.open()
        #expect(await second.value == "success")
        for holder in holders { try await holder.value }
        #expect(self.order.withLock { $0 } == [2])
    }

    @Test("who waits leaves at the deadline")
    func deadline() async throws {
        let limit = ConcurrencyLimit(1)
        let holders = await self.occupy(limit)
        let context = OperationContext(name: "o", time: self.time)
            .limited(to: self.time.now.advanced(by: .seconds(5)))
        let pipeline = self.pipeline(limit)
        let late = Task { try await OperationContext.$current.withValue(context) { try await pipeline {} } }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(5))
        let rejection = RejectionError(policy: "concurrencyLimit", reason: .deadlineWouldBeMissed)
        await #expect(throws: rejection) { try await late.value }
        self.gate.open()
        for holder in holders { try await holder.value }
        #expect(limit.queued == 0)
    }

    @Test("a queue that stands turns away who has waited too long, and serves who just came")
    func codel() {
        var machine = ConcurrencyMachine(ConcurrencyLimitSettings(maximum: 1, order: .codel))
        func instant(_ milliseconds: Int) -> Instant { Instant(nanoseconds: Int64(milliseconds) * 1_000_000) }
        _ = machine.ask(.normal, at: instant(0))
        for _ in 0..<50 { _ = machine.ask(.normal, at: instant(0)) }
        // The queue has not stood for 100 ms yet, so a burst is served.
        for milliseconds in stride(from: 10, through: 100, by: 10) {
            let turn = machine.release(.ignored, at: instant(milliseconds))
            #expect(turn.admitted.count == 1)
            #expect(turn.expired.isEmpty)
        }
        guard case .wait(let newest, _) = machine.ask(.normal, at: instant(106)) else { return fail("does not wait") }
        let turn = machine.release(.ignored, at: instant(110))
        #expect(turn.admitted == [newest])
        #expect(turn.expired.count == 40)
        #expect(machine.queued == 0)
    }

    @Test("a thousand random cancellations lose no place", arguments: 1...3 as ClosedRange<UInt64>)
    func cancellations(seed: UInt64) async throws {
        let limit = ConcurrencyLimit(10, maximumQueued: 2_000)
        let pipeline = self.pipeline(limit)
        await withTaskGroup(of: Void.self) { group in
            var dice = Dice(seed)
            for _ in 0..<2_000 {
                let (turns, patience) = (dice.roll(20), dice.roll(2) == 0 ? dice.roll(40) : nil)
                group.addTask {
                    let task = Task {
                        try await pipeline { for _ in 0..<turns { await Task.yield() } }
                    }
                    if let patience {
                        for _ in 0..<patience { await Task.yield() }
                        task.cancel()
                    }
                    _ = await task.result
                }
            }
        }
        #expect(limit.inFlight == 0)
        #expect(limit.queued == 0)
        #expect(self.time.alarmCount == 0)
        let holders = await self.occupy(limit)
        #expect(limit.inFlight == 10)
        self.gate.open()
        for holder in holders { try await holder.value }
    }

    @Test("a larger limit lets those who wait run, and the queue stays")
    func update() async throws {
        let limit = ConcurrencyLimit(1)
        let holders = await self.occupy(limit)
        let tasks = [await self.queue(1, limit), await self.queue(2, limit)]
        try limit.reconfigure(["maximum": "3"])
        for task in tasks { #expect(await task.value == "success") }
        #expect(throws: InvalidSettingError.self) { try limit.reconfigure(["maximum": "0"]) }
        #expect(throws: InvalidSettingError.self) { try limit.update(ConcurrencyLimitSettings(maximum: 0)) }
        #expect(limit.limit == 3)
        self.gate.open()
        for holder in holders { try await holder.value }
    }

    @Test("a CoDel queue is not emptied by an update, whatever the real time is")
    func updateOnItsOwnTime() async throws {
        let limit = ConcurrencyLimit(ConcurrencyLimitSettings(maximum: 1, order: .codel))
        let holders = await self.occupy(limit)
        let task = await self.queue(1, limit)
        try limit.reconfigure(["maximum": "2"])
        #expect(await task.value == "success")
        self.gate.open()
        for holder in holders { try await holder.value }
    }

    @Test("only what says something about load moves an adaptive limit")
    func signals() async {
        let limit = ConcurrencyLimit(
            ConcurrencyLimitSettings(
                maximum: 100, initial: 50, algorithm: .aimd, sampleTime: .milliseconds(1), minimumSamples: 1))
        let pipeline = self.pipeline(limit)
        for _ in 0..<20 {
            self.time.advance(by: .milliseconds(1))
            _ = await pipeline.outcome { _ async throws in throw Flaky() }
            _ = await pipeline.outcome { _ async throws in throw CancellationError() }
            _ = await pipeline.outcome { _ async throws in throw RejectionError(policy: "x", reason: .closed) }
        }
        #expect(limit.limit == 50)
        for _ in 0..<5 {
            self.time.advance(by: .milliseconds(1))
            _ = await pipeline.outcome { _ async throws in throw TimeoutError(policy: "x", limit: .seconds(1)) }
            self.time.advance(by: .milliseconds(1))
            _ = await pipeline.outcome { _ async throws in throw Advised(retryAdvice: .always(after: .seconds(1))) }
        }
        #expect(limit.limit < 25)
    }
}
