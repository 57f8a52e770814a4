// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Concurrent work on an asynchronous sequence", .timeLimit(.minutes(5)))
struct ConcurrentAsyncSequenceTests {
    let gate = Gate()
    let numbers: AsyncStream<Int>
    let input: AsyncStream<Int>.Continuation

    init() {
        (self.numbers, self.input) = AsyncStream.makeStream(of: Int.self)
    }

    @Test("results come in the order of the elements, and the limit holds")
    func order() async throws {
        let load = Load()
        for number in 0..<1_000 { self.input.yield(number) }
        self.input.finish()
        let doubled = try await self.numbers.concurrentMap(limit: 7) { number in
            try await load.count {
                await Task.yield()
                return number * 2
            }
        }
        #expect(doubled == (0..<1_000).map { $0 * 2 })
        #expect(load.maximum <= 7)
    }

    @Test("filters, maps to what is not nil, and gathers")
    func others() async throws {
        func numbers() -> AsyncStream<Int> {
            let (numbers, input) = AsyncStream.makeStream(of: Int.self)
            for number in 0..<4 { input.yield(number) }
            input.finish()
            return numbers
        }
        let odd = try await numbers().concurrentFilter { $0 % 2 == 1 }
        #expect(odd == [1, 3])
        let halves = try await numbers().concurrentCompactMap { $0 % 2 == 0 ? $0 / 2 : nil }
        #expect(halves == [0, 1])
        let results = try await numbers().gather { if $0 == 1 { throw Failed() } }
        #expect(results.map { (try? $0.get()) != nil } == [true, false, true, true])
        let completions = try await numbers().gatherCompletions(limit: 1) { $0 }
        #expect(completions.map(\.index) == [0, 1, 2, 3])
    }

    @Test("each element is begun as it comes, and a failure calls off the wait for the next")
    func failure() async throws {
        let load = Load()
        let task = Task {
            try await self.numbers.concurrentForEach(limit: 3) { number in
                try await load.count {
                    try await self.gate.pass()
                    throw Failed(number: number)
                }
            }
        }
        self.input.yield(1)
        await self.gate.waitForArrivals(1)
        #expect(load.begun == 1)
        self.gate.open()
        await #expect(throws: Failed(number: 1)) { try await task.value }
        #expect(load.running == 0)
    }

    @Test("the sequence's own error cancels the work, and is thrown by every one of them")
    func sequenceFailure() async throws {
        let (numbers, input) = AsyncThrowingStream.makeStream(of: Int.self)
        let load = Load()
        let task = Task {
            try await numbers.gather { _ in try await load.count { try await self.gate.pass() } }
        }
        input.yield(1)
        await self.gate.waitForArrivals(1)
        input.finish(throwing: Failed(number: 9))
        await #expect(throws: Failed(number: 9)) { try await task.value }
        #expect(load.running == 0)
    }

    @Test("cancelling the caller ends the wait for an element, and the wait for room", arguments: [0, 1, 2, 3, 100])
    func cancellation(count: Int) async throws {
        let load = Load()
        for number in 0..<count { self.input.yield(number) }
        let task = Task {
            try await self.numbers.concurrentMap(limit: 1) { number in
                try await load.count { try await self.gate.pass() }
            }
        }
        await self.gate.waitForArrivals(min(count, 1))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(load.running == 0)
        #expect(load.begun <= 1)
    }

    @Test("a caller cancelled at any moment waits for nothing, even if the sequence knows nothing of cancellation")
    func cancelledAnytime() async {
        for round in 0..<2_000 {
            let task = Task {
                try await Stubborn().concurrentForEach(limit: 1 + round % 3) { _ in }
            }
            for _ in 0..<round % 7 { await Task.yield() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }
}

/// Goes on for ever, cancelled or not.
private struct Stubborn: AsyncSequence, AsyncIteratorProtocol {
    func makeAsyncIterator() -> Stubborn { self }
    mutating func next() async -> Int? {
        // Or reading and work would keep every thread of the pool to themselves for ever, and nobody could cancel them.
        await Task.yield()
        return 0
    }
}
