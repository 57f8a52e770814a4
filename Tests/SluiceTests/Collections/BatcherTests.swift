// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Batcher", .timeLimit(.minutes(5)))
struct BatcherTests {
    let time = VirtualTime()
    let gate = Gate()
    let loads = Locked<[[Int]]>([])
    /// Loads that were cancelled.
    let cancelled = Locked(0)

    /// A batcher whose loads are noted; those of negative keys wait at the gate.
    func batcher(maximumBatchSize: Int = 100, maximumPending: Int = 1_000) -> Batcher<Int, String> {
        Batcher(maximumBatchSize: maximumBatchSize, maximumPending: maximumPending, time: self.time) { keys in
            self.loads.withLock { $0.append(keys) }
            if keys.contains(where: { $0 < 0 }) {
                do {
                    try await self.gate.pass()
                } catch {
                    self.cancelled.withLock { $0 += 1 }
                    throw error
                }
            }
            if keys.contains(13) { throw Failed(number: 13) }
            return [Int: String](uniqueKeysWithValues: keys.filter { $0 != 404 }.map { ($0, "\($0)") })
        }
    }

    /// Asks, and returns when the request has joined its batch.
    func ask(_ key: Int, of batcher: Batcher<Int, String>) async -> Task<String?, any Error> {
        let count = batcher.pendingCount
        let task = Task { try await batcher.value(for: key) }
        while batcher.pendingCount == count { await Task.yield() }
        return task
    }

    @Test("what is asked for within the wait is loaded together, each key once")
    func gathers() async throws {
        let batcher = self.batcher()
        let first = await self.ask(1, of: batcher)
        await self.time.waitForAlarms(1)
        let others = [await self.ask(2, of: batcher), await self.ask(1, of: batcher), await self.ask(404, of: batcher)]
        self.time.advance(by: .milliseconds(1))
        #expect(self.loads.withLock { $0 }.isEmpty)
        self.time.advance(by: .milliseconds(1))
        #expect(try await first.value == "1")
        #expect(try await others[0].value == "2")
        #expect(try await others[1].value == "1")
        #expect(try await others[2].value == nil)
        #expect(self.loads.withLock { $0 } == [[1, 2, 404]])
        #expect(batcher.pendingCount == 0)
    }

    @Test("a full batch is loaded at once, its alarm called off, and the next one gathers")
    func full() async throws {
        let batcher = self.batcher(maximumBatchSize: 2)
        let first = await self.ask(1, of: batcher)
        await self.time.waitForAlarms(1)
        let second = await self.ask(2, of: batcher)
        #expect(try await first.value == "1")
        #expect(try await second.value == "2")
        #expect(self.time.alarmCount == 0)
        let third = await self.ask(3, of: batcher)
        await self.time.waitForAlarms(1)
        self.time.advance(by: .milliseconds(2))
        #expect(try await third.value == "3")
        #expect(self.loads.withLock { $0 } == [[1, 2], [3]])
    }

    @Test("who asks while a batch is loaded waits for the next")
    func nextBatch() async throws {
        let batcher = self.batcher(maximumBatchSize: 1)
        let first = await self.ask(-1, of: batcher)
        await self.gate.waitForArrivals(1)
        let second = await self.ask(-1, of: batcher)
        await self.gate.waitForArrivals(2)
        self.gate.open()
        #expect(try await first.value == "-1")
        #expect(try await second.value == "-1")
        #expect(self.loads.withLock { $0 } == [[-1], [-1]])
    }

    @Test("an error of the load goes to all who wait for it, and to nobody else")
    func failure() async throws {
        let batcher = self.batcher(maximumBatchSize: 2)
        let unlucky = [await self.ask(13, of: batcher), await self.ask(7, of: batcher)]
        for task in unlucky {
            await #expect(throws: Failed(number: 13)) { try await task.value }
        }
        let lucky = [await self.ask(8, of: batcher), await self.ask(7, of: batcher)]
        #expect(try await lucky[1].value == "7")
    }

    @Test("a waiter cancelled before the load leaves at once, and its key with it unless another wants it")
    func leavesGathering() async throws {
        let batcher = self.batcher()
        let first = await self.ask(1, of: batcher)
        await self.time.waitForAlarms(1)
        let others = [await self.ask(2, of: batcher), await self.ask(3, of: batcher), await self.ask(3, of: batcher)]
        for task in [others[0], others[1]] {
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(batcher.pendingCount == 2)
        self.time.advance(by: .milliseconds(2))
        #expect(try await first.value == "1")
        #expect(try await others[2].value == "3")
        #expect(self.loads.withLock { $0 } == [[1, 3]])
    }

    @Test("a batch that everybody has left is not loaded, and leaves no alarm")
    func emptyBatch() async throws {
        let batcher = self.batcher()
        let tasks = [await self.ask(1, of: batcher), await self.ask(2, of: batcher)]
        await self.time.waitForAlarms(1)
        for task in tasks { task.cancel() }
        for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
        #expect(self.time.alarmCount == 0)
        #expect(batcher.pendingCount == 0)
        self.time.advance(by: .seconds(1))
        #expect(self.loads.withLock { $0 }.isEmpty)
    }

    @Test("a waiter cancelled during the load leaves it to the others; with the last one it is cancelled")
    func leavesLoading() async throws {
        let batcher = self.batcher(maximumBatchSize: 2)
        let tasks = [await self.ask(-1, of: batcher), await self.ask(-2, of: batcher)]
        await self.gate.waitForArrivals(1)
        tasks[0].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[0].value }
        #expect(self.cancelled.withLock { $0 } == 0)
        tasks[1].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[1].value }
        while batcher.pendingCount > 0 { await Task.yield() }
        #expect(self.cancelled.withLock { $0 } == 1)
    }

    @Test("the one whose request began the load may leave without taking it along")
    func starterLeaves() async throws {
        let batcher = self.batcher(maximumBatchSize: 2)
        let tasks = [await self.ask(-1, of: batcher), await self.ask(-2, of: batcher)]
        await self.gate.waitForArrivals(1)
        tasks[1].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[1].value }
        self.gate.open()
        #expect(try await tasks[0].value == "-1")
        #expect(self.cancelled.withLock { $0 } == 0)
    }

    @Test("who is cancelled before it asks joins nothing")
    func cancelledBefore() async {
        let batcher = self.batcher()
        let task = Task {
            try? await self.gate.pass()
            return try await batcher.value(for: 1)
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(self.time.alarmCount == 0)
    }

    @Test("turns away who comes when as many wait as may")
    func bound() async throws {
        let batcher = self.batcher(maximumPending: 2)
        let tasks = [await self.ask(1, of: batcher), await self.ask(1, of: batcher)]
        await self.time.waitForAlarms(1)
        await #expect(throws: RejectionError(policy: "batcher", reason: .queueFull)) { try await batcher.value(for: 1) }
        self.time.advance(by: .milliseconds(2))
        for task in tasks { #expect(try await task.value == "1") }
        #expect(batcher.pendingCount == 0)
    }

    @Test("the load belongs to no caller's operation")
    func context() async throws {
        let names = Locked<[String?]>([])
        let batcher = Batcher<Int, Int>(maximumBatchSize: 1, time: self.time) { keys in
            names.withLock { $0.append(OperationContext.current?.name) }
            return [keys[0]: keys[0]]
        }
        let value = try await withOperation("caller") { _ in try await batcher.value(for: 1) }
        #expect(value == 1)
        #expect(names.withLock { $0 } == [nil])
    }

    @Test("ten thousand requests, a third of them cancelled at any moment, all end, and rightly")
    func storm() async throws {
        let batcher = Batcher<Int, Int>(maximumBatchSize: 16, wait: .milliseconds(1)) { keys in
            await Task.yield()
            return [Int: Int](uniqueKeysWithValues: keys.map { ($0, $0 * 2) })
        }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<10_000 {
                group.addTask {
                    let task = Task { try await batcher.value(for: number % 50) }
                    if number % 3 == 0 { task.cancel() }
                    do {
                        let value = try await task.value
                        #expect(value == number % 50 * 2)
                    } catch {
                        #expect(error is CancellationError && number % 3 == 0)
                    }
                }
            }
        }
        while batcher.pendingCount > 0 { await Task.yield() }
    }
}
