// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Resource pool", .timeLimit(.minutes(5)))
struct ResourcePoolTests {
    let gate = Gate()

    @Test("lends each resource to one borrower at a time, over ten thousand tasks of which half are cancelled")
    func storm() async throws {
        let pool = ResourcePool("p", [0, 1, 2])
        let lent = Locked<Set<Int>>([])
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<10_000 {
                group.addTask {
                    let task = Task {
                        try await pool.withResource { resource in
                            let isFree = lent.withLock { $0.insert(resource).inserted }
                            #expect(isFree)
                            await Task.yield()
                            lent.withLock { _ = $0.remove(resource) }
                        }
                    }
                    if number % 2 == 0 { task.cancel() }
                    _ = try? await task.value
                }
            }
        }
        #expect(pool.freeCount == 3)
        #expect(pool.waiterCount == 0)
    }

    @Test("serves waiters in order of arrival")
    func order() async throws {
        let pool = ResourcePool("p", [0])
        let order = Locked<[Int]>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await pool.withResource { _ in try await self.gate.pass() } }
            await self.gate.waitForArrivals(1)
            for number in 0..<5 {
                group.addTask { try await pool.withResource { _ in order.withLock { $0.append(number) } } }
                while pool.waiterCount <= number { await Task.yield() }
            }
            self.gate.open()
            try await group.waitForAll()
        }
        #expect(order.withLock { $0 } == [0, 1, 2, 3, 4])
    }

    @Test("a waiter leaves at its deadline, and the resource goes to the next")
    func deadline() async throws {
        let time = VirtualTime()
        let pool = ResourcePool("p", [0])
        let pipeline = Pipeline("p", time: time) { Deadline(.seconds(5)) }
        let holder = Task { try await pool.withResource { _ in try await self.gate.pass() } }
        await self.gate.waitForArrivals(1)
        let waiter = Task { try await pipeline { try await pool.withResource { _ in } } }
        while pool.waiterCount == 0 { await Task.yield() }
        await time.waitForAlarms(2)
        time.advance(by: .seconds(5))
        // The pool's own alarm and the pipeline's ring at the same moment; either may come first.
        let error = await #expect(throws: (any Error).self) { try await waiter.value }
        #expect(error is RejectionError || error is TimeoutError)
        #expect(pool.waiterCount == 0)
        self.gate.open()
        try await holder.value
        try await pool.withResource { _ in }
    }

    @Test("turns callers away when the queue is full")
    func bound() async throws {
        let pool = ResourcePool("p", [0], maximumWaiters: 1)
        let holder = Task { try await pool.withResource { _ in try await self.gate.pass() } }
        await self.gate.waitForArrivals(1)
        let waiter = Task { try await pool.withResource { _ in } }
        while pool.waiterCount == 0 { await Task.yield() }
        await #expect(throws: RejectionError(policy: "p", reason: .queueFull)) { try await pool.withResource { _ in } }
        self.gate.open()
        try await holder.value
        try await waiter.value
    }

    @Test("closing turns away who waits, and waits for what is lent")
    func close() async throws {
        let pool = ResourcePool("p", [0])
        let holder = Task { try await pool.withResource { _ in try await self.gate.pass() } }
        await self.gate.waitForArrivals(1)
        let waiter = Task { try await pool.withResource { _ in } }
        while pool.waiterCount == 0 { await Task.yield() }
        let closing = Task { await pool.close() }
        await #expect(throws: RejectionError(policy: "p", reason: .closed)) { try await waiter.value }
        self.gate.open()
        await closing.value
        try await holder.value
        await #expect(throws: RejectionError(policy: "p", reason: .closed)) { try await pool.withResource { _ in } }
    }
}
