// SPDX-License-Identifier: Apache-2.0
import Dispatch
import SluiceTesting
import Testing

@testable import Sluice

@Suite("Thread lane", .timeLimit(.minutes(5)))
struct ThreadLaneTests {
    /// Holds up work on a lane's thread, which is free to block, until the test lets it go.
    final class Hold: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        let holding = Gate()

        func block() {
            self.holding.open()
            self.semaphore.wait()
        }

        func release() { self.semaphore.signal() }
    }

    let hold = Hold()

    /// A lane of one thread that is held up by `task`.
    func busyLane(maximumQueued: Int = 10) async throws -> (lane: ThreadLane, task: Task<Void, any Error>) {
        let lane = ThreadLane("busy", threads: 1, maximumQueued: maximumQueued)
        let task = Task { try await lane.run { self.hold.block() } }
        try await self.hold.holding.pass()
        return (lane, task)
    }

    /// Starts a call, and returns when it is in the queue.
    func queue<Value: Sendable>(
        on lane: ThreadLane, _ work: @escaping @Sendable () throws -> Value
    ) async -> Task<Value, any Error> {
        let count = lane.queuedCount
        let task = Task { try await lane.run(work) }
        while lane.queuedCount == count { await Task.yield() }
        return task
    }

    @Test("returns what the work returns, and throws what it throws")
    func results() async throws {
        #expect(try await offload { 1 + 1 } == 2)
        #expect(try await offload(on: .cpu) { "x" } == "x")
        await #expect(throws: Failed(number: 1)) { try await offload { throw Failed(number: 1) } }
    }

    @Test("work runs on as many threads as there may be, and no more")
    func threads() async throws {
        let lane = ThreadLane("three", threads: 3)
        let holds = (0..<3).map { _ in Hold() }
        let tasks = holds.map { hold in Task { try await lane.run { hold.block() } } }
        for hold in holds { try await hold.holding.pass() }
        let fourth = await self.queue(on: lane) {}
        #expect(lane.runningCount == 3)
        #expect(lane.queuedCount == 1)
        for hold in holds { hold.release() }
        for task in tasks { try await task.value }
        try await fourth.value
        #expect(lane.runningCount == 0)
    }

    @Test("waiting calls run in order of arrival")
    func order() async throws {
        let (lane, task) = try await self.busyLane()
        let order = Locked<[Int]>([])
        var waiting: [Task<Void, any Error>] = []
        for number in 0..<5 {
            waiting.append(await self.queue(on: lane) { order.withLock { $0.append(number) } })
        }
        self.hold.release()
        try await task.value
        for task in waiting { try await task.value }
        #expect(order.withLock { $0 } == [0, 1, 2, 3, 4])
    }

    @Test("turns calls away when the queue is full")
    func bound() async throws {
        let (lane, task) = try await self.busyLane(maximumQueued: 1)
        let waiting = await self.queue(on: lane) {}
        await #expect(throws: RejectionError(policy: "busy", reason: .queueFull)) { try await lane.run {} }
        self.hold.release()
        try await task.value
        try await waiting.value
        try await lane.run {}
    }

    @Test("a lane without a queue takes as many calls as it has threads")
    func noQueue() async throws {
        let (lane, task) = try await self.busyLane(maximumQueued: 0)
        await #expect(throws: RejectionError(policy: "busy", reason: .queueFull)) { try await lane.run {} }
        self.hold.release()
        try await task.value
        try await lane.run {}
    }

    @Test("a call cancelled in the queue leaves at once and never runs")
    func cancelledInQueue() async throws {
        let (lane, task) = try await self.busyLane()
        let hasRun = Locked(false)
        let waiting = await self.queue(on: lane) { hasRun.withLock { $0 = true } }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(lane.queuedCount == 0)
        #expect(lane.runningCount == 1)
        self.hold.release()
        try await task.value
        try await lane.run {}
        #expect(!hasRun.withLock { $0 })
    }

    @Test("a call leaves the queue at its deadline")
    func deadlineInQueue() async throws {
        let (lane, task) = try await self.busyLane()
        let time = VirtualTime()
        let context = OperationContext(name: "o", time: time).limited(to: time.now.advanced(by: .seconds(5)))
        let waiting = Task {
            try await OperationContext.$current.withValue(context) { try await lane.run {} }
        }
        await time.waitForAlarms(1)
        time.advance(by: .seconds(5))
        let late = RejectionError(policy: "busy", reason: .deadlineWouldBeMissed)
        await #expect(throws: late) { try await waiting.value }
        // Past the deadline nothing even joins the queue.
        await #expect(throws: late) {
            try await OperationContext.$current.withValue(context) { try await lane.run {} }
        }
        #expect(lane.queuedCount == 0)
        self.hold.release()
        try await task.value
    }

    @Test("a call whose turn comes before its deadline leaves no alarm behind")
    func noAlarmLeft() async throws {
        let (lane, task) = try await self.busyLane()
        let time = VirtualTime()
        let context = OperationContext(name: "o", time: time).limited(to: time.now.advanced(by: .seconds(5)))
        let waiting = Task {
            try await OperationContext.$current.withValue(context) { try await lane.run { 1 } }
        }
        await time.waitForAlarms(1)
        self.hold.release()
        #expect(try await waiting.value == 1)
        #expect(time.alarmCount == 0)
        try await task.value
    }

    @Test("a call cancelled while it runs is told, and waited for")
    func cancelledWhileRunning() async throws {
        let lane = ThreadLane("one", threads: 1)
        let told = Locked(false)
        let task = Task {
            try await lane.run { cancellation in
                self.hold.block()
                told.withLock { $0 = cancellation.isCancelled }
                try cancellation.check()
            }
        }
        try await self.hold.holding.pass()
        task.cancel()
        #expect(lane.runningCount == 1)
        self.hold.release()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(told.withLock { $0 })
    }

    @Test("what the work returns although it was cancelled is returned")
    func resultAllTheSame() async throws {
        let (lane, task) = try await self.busyLane()
        task.cancel()
        self.hold.release()
        try await task.value
        await lane.close()
    }

    @Test("a caller cancelled before is told so, be the queue as full as it may")
    func cancelledBefore() async throws {
        let (lane, task) = try await self.busyLane(maximumQueued: 0)
        let gate = Gate()
        let cancelled = Task {
            try? await gate.pass()
            try await lane.run {}
        }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        self.hold.release()
        try await task.value
    }

    @Test("the work finds the caller's operation context, and a context of its own on the same thread none of it")
    func context() async throws {
        let lane = ThreadLane("one", threads: 1)
        let name = try await OperationContext.$current.withValue(OperationContext(name: "outer")) {
            try await lane.run { OperationContext.current?.name }
        }
        #expect(name == "outer")
        #expect(try await lane.run { OperationContext.current?.name } == nil)
    }

    @Test("closing turns away who waits and comes, and returns when what runs has ended")
    func close() async throws {
        let (lane, task) = try await self.busyLane()
        let waiting = await self.queue(on: lane) {}
        let isClosed = Locked(false)
        let closing = Task {
            await lane.close()
            isClosed.withLock { $0 = true }
        }
        let closed = RejectionError(policy: "busy", reason: .closed)
        await #expect(throws: closed) { try await waiting.value }
        await #expect(throws: closed) { try await lane.run {} }
        #expect(!isClosed.withLock { $0 })
        self.hold.release()
        await closing.value
        try await task.value
        await lane.close()
    }

    @Test("closing wakes the threads that sleep, and a lane without threads closes at once")
    func closeIdle() async throws {
        let lane = ThreadLane("idle", threads: 2)
        try await lane.run {}
        await lane.close()
        await ThreadLane("unused", threads: 2).close()
    }

    @Test("a lane that nobody holds lets its threads end")
    func abandoned() async throws {
        weak var threads: LaneThreads?
        do {
            let lane = ThreadLane("short", threads: 2)
            threads = lane.threads
            try await lane.run {}
        }
        while threads != nil { await Task.yield() }
    }

    @Test("ten thousand calls, of which a third are cancelled, all end")
    func storm() async throws {
        let lane = ThreadLane("storm", threads: 4, maximumQueued: 10_000)
        let running = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<10_000 {
                group.addTask {
                    let task = Task {
                        try await lane.run {
                            let count = running.withLock { running in
                                running += 1
                                return running
                            }
                            #expect(count <= 4)
                            running.withLock { $0 -= 1 }
                            return number
                        }
                    }
                    if number % 3 == 0 { task.cancel() }
                    do {
                        let value = try await task.value
                        #expect(value == number)
                    } catch {
                        #expect(error is CancellationError && number % 3 == 0)
                    }
                }
            }
        }
        #expect(lane.queuedCount == 0)
        await lane.close()
        #expect(lane.runningCount == 0)
    }
}
