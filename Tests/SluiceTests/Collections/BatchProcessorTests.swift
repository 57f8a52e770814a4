// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Batch processor", .timeLimit(.minutes(5)))
struct BatchProcessorTests {
    let gate = Gate()
    let processor = BatchProcessor<Int>(batchSize: 10, maximumConcurrency: 3)

    @Test("cuts the sequence into batches and returns their results in order")
    func batches() async throws {
        let sums = try await self.processor.process(0..<25) { batch in
            await Task.yield()
            return batch.reduce(0, +)
        }
        #expect(sums == [45, 145, 110])
        #expect(try await self.processor.process([]) { _ in 1 } == [])
    }

    @Test("works on no more batches at once, and reads no more of the sequence, than it may")
    func limit() async throws {
        let load = Load()
        let read = Locked(0)
        let task = Task {
            let items = (0..<100).lazy.map { item in
                read.withLock { $0 += 1 }
                return item
            }
            return try await self.processor.process(items) { _ in
                try await load.count { try await self.gate.pass() }
            }
        }
        await self.gate.waitForArrivals(3)
        #expect(read.withLock { $0 } == 30)
        self.gate.open()
        #expect(try await task.value.count == 10)
        #expect(load.maximum == 3)
    }

    @Test("reports batches and items as they end")
    func progress() async throws {
        var reports: [BatchProgress] = []
        let results = try await BatchProcessor<Int>(batchSize: 10, maximumConcurrency: 2).gather(
            0..<25, progress: { reports.append($0) }
        ) { batch in
            // The first batch ends last.
            if batch[0] == 0 { try await self.gate.pass() }
            if batch[0] == 20 {
                self.gate.open()
                throw Failed(number: 20)
            }
        }
        #expect(reports.map(\.finishedBatches) == [1, 2, 3])
        #expect(reports.first?.finishedItems == 10)
        #expect(reports.last?.finishedItems == 25)
        #expect(reports.last?.failedBatches == 1)
        #expect(reports.last?.failedItems == 5)
        #expect(results.map { (try? $0.get()) != nil } == [true, true, false])
    }

    @Test("the first failure is reported, cancels the rest, and leaves nothing running")
    func failFast() async throws {
        let load = Load()
        var last = BatchProgress()
        let processor = self.processor
        do {
            try await processor.process(0..<1_000, progress: { last = $0 }) { batch in
                try await load.count {
                    if batch[0] == 20 {
                        await self.gate.waitForArrivals(2)
                        throw Failed(number: 20)
                    }
                    try await self.gate.pass()
                }
            }
            Issue.record("must throw")
        } catch {
            #expect(error as? Failed == Failed(number: 20))
        }
        #expect(load.begun == 3)
        #expect(load.running == 0)
        #expect(last.failedItems == 10)
    }

    @Test("a cancelled caller gets no results, and no more reports", arguments: [true, false])
    func cancellation(isCollecting: Bool) async {
        let reports = Locked(0)
        let load = Load()
        let work: @Sendable ([Int]) async throws -> Void = { _ in try await load.count { try await self.gate.pass() } }
        let task = Task {
            let report = { (_: BatchProgress) in reports.withLock { $0 += 1 } }
            if isCollecting {
                _ = try await self.processor.gather(0..<1_000, progress: report, work)
            } else {
                try await self.processor.process(0..<1_000, progress: report, work)
            }
        }
        await self.gate.waitForArrivals(3)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(load.begun == 3)
        #expect(load.running == 0)
        #expect(reports.withLock { $0 } == 0)
    }
}
