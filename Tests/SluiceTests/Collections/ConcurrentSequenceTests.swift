// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Concurrent work on a sequence", .timeLimit(.minutes(5)))
struct ConcurrentSequenceTests {
    let gate = Gate()

    @Test("results come in the order of the elements, however they were finished")
    func order() async throws {
        let gates = (0..<5).map { _ in Gate() }
        let finished = Locked<[Int]>([])
        async let doubled = (0..<5).concurrentMap(limit: 5) { number in
            try await gates[number].pass()
            finished.withLock { $0.append(number) }
            return number * 2
        }
        for (count, gate) in gates.reversed().enumerated() {
            gate.open()
            while finished.withLock({ $0.count }) <= count { await Task.yield() }
        }
        #expect(try await doubled == [0, 2, 4, 6, 8])
        #expect(finished.withLock { $0 } == [4, 3, 2, 1, 0])
    }

    @Test("filters, and maps to what is not nil, in the order of the elements")
    func filters() async throws {
        let odd = try await (0..<100).concurrentFilter(limit: 3) { number in
            await Task.yield()
            return number % 2 == 1
        }
        #expect(odd == Array(stride(from: 1, to: 100, by: 2)))
        let numbers = try await ["1", "x", "3"].concurrentCompactMap { Int($0) }
        #expect(numbers == [1, 3])
        let optionals = try await [1, nil, 3].concurrentMap { $0 }
        #expect(optionals == [1, nil, 3])
    }

    @Test("an empty sequence needs no work, and no limit is too large")
    func edges() async throws {
        #expect(try await [Int]().concurrentMap { $0 } == [])
        #expect(try await [1, 2, 3].concurrentMap(limit: .max) { $0 } == [1, 2, 3])
    }

    @Test("works on as many as the limit at once, and never on more", arguments: [1, 2, 7, 100])
    func limit(limit: Int) async throws {
        let load = Load()
        async let done: Void = (0..<1_000).concurrentForEach(limit: limit) { _ in
            try await load.count {
                try await self.gate.pass()
                await Task.yield()
            }
        }
        await self.gate.waitForArrivals(limit)
        self.gate.open()
        try await done
        #expect(load.maximum == limit)
        #expect(load.begun == 1_000)
    }

    @Test("reads no more than the limit ahead of the work", arguments: [1, 7, 64])
    func laziness(limit: Int) async throws {
        let load = Load()
        let read = Locked(0)
        let ahead = Locked(0)
        let numbers = (0..<2_000).lazy.map { number in
            let count = read.withLock { count in
                count += 1
                return count
            }
            ahead.withLock { $0 = max($0, count - load.begun) }
            return number
        }
        try await numbers.concurrentForEach(limit: limit) { _ in
            try await load.count { await Task.yield() }
        }
        // The one that a worker has picked up and not begun yet is on nobody's account.
        #expect(ahead.withLock { $0 } <= limit * 2)
        #expect(read.withLock { $0 } == 2_000)
    }

    @Test("an endless sequence ends with its first failure")
    func endless() async throws {
        await #expect(throws: Failed(number: 500)) {
            try await sequence(first: 0) { $0 + 1 }.concurrentForEach { number in
                if number == 500 { throw Failed(number: number) }
            }
        }
    }

    @Test("a failure cancels what runs, begins nothing more, and leaves nothing running")
    func failFast() async throws {
        let load = Load()
        await #expect(throws: Failed(number: 3)) {
            try await (0..<1_000).concurrentMap(limit: 4) { number in
                try await load.count {
                    if number == 3 {
                        await self.gate.waitForArrivals(3)
                        throw Failed(number: number)
                    }
                    try await self.gate.pass()
                }
            }
        }
        #expect(load.running == 0)
        #expect(load.begun == 4)
    }

    @Test("a slow element holds up nothing but itself")
    func slowElement() async throws {
        let finished = Locked(0)
        try await (0..<1_000).concurrentForEach(limit: 2) { number in
            if number == 0 { try await self.gate.pass() }
            let count = finished.withLock { count in
                count += 1
                return count
            }
            if count == 999 { self.gate.open() }
        }
        #expect(finished.withLock { $0 } == 1_000)
    }

    @Test("cancelling the caller ends a hundred thousand elements early, and leaves nothing running")
    func cancellation() async throws {
        let load = Load()
        let task = Task {
            try await (0..<100_000).concurrentMap(limit: 7) { number in
                try await load.count {
                    if number > 1_000 { try await self.gate.pass() }
                    await Task.yield()
                }
            }
        }
        await self.gate.waitForArrivals(7)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(load.running == 0)
        #expect((1_008...1_016).contains(load.begun))
    }

    @Test("a caller cancelled before begins nothing")
    func cancelledBefore() async {
        let load = Load()
        let task = Task {
            try? await self.gate.pass()
            return try await (0..<10).concurrentMap { _ in try await load.count {} }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(load.begun == 0)
    }

    @Test("work that says in its own words that it was cancelled does not hide the caller's cancellation")
    func cancellationInOtherWords() async {
        let task = Task {
            try await [1].concurrentForEach { number in
                do { try await self.gate.pass() } catch { throw Failed(number: number) }
            }
        }
        await self.gate.waitForArrivals(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("gathers results and failures in the order of the elements")
    func gather() async throws {
        let results = try await (0..<100).gather(limit: 5) { number in
            await Task.yield()
            if number % 3 == 0 { throw Failed(number: number) }
            return number
        }
        #expect(results.count == 100)
        for (number, result) in results.enumerated() {
            switch result {
            case .success(let value): #expect(value == number && number % 3 != 0)
            case .failure(let error): #expect(error as? Failed == Failed(number: number))
            }
        }
    }

    @Test("gathers in the order of completion, each with its element's index")
    func gatherCompletions() async throws {
        let completions = try await ["slow", "fast", "last"].gatherCompletions(limit: 2) { name in
            if name == "slow" { try await self.gate.pass() }
            // Begun by the worker that has handed in the fast one.
            if name == "last" { self.gate.open() }
            return name
        }
        #expect(completions.first?.index == 1)
        #expect(try completions.first?.result.get() == "fast")
        #expect(Set(completions.map(\.index)) == [0, 1, 2])
    }

    @Test("an element's own cancellation error is its failure, and nobody else's")
    func ownCancellation() async throws {
        let results = try await (0..<3).gather { number in
            if number == 1 { throw CancellationError() }
        }
        #expect(throws: CancellationError.self) { try results[1].get() }
        try results[0].get()
        try results[2].get()
    }

    @Test("a cancelled caller gets no results, be the work as stubborn as it may, and nothing more is begun")
    func gatherCancelled() async {
        let load = Load()
        let task = Task {
            try await (0..<100).gather(limit: 3) { _ in
                try await load.count { try? await self.gate.pass() }
            }
        }
        await self.gate.waitForArrivals(3)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(load.begun == 3)
    }

    @Test("a sequence is read where the caller runs, so it may touch the caller's state")
    func isolation() async throws {
        let owner = Owner()
        #expect(try await owner.copies() == Array(1...200))
    }

    @Test("the work finds the caller's operation context")
    func context() async throws {
        let context = OperationContext(name: "outer")
        let names = try await OperationContext.$current.withValue(context) {
            try await (0..<20).concurrentMap(limit: 3) { _ in OperationContext.current?.name }
        }
        #expect(names == Array(repeating: "outer", count: 20))
    }
}

private actor Owner {
    private var count = 0

    func copies() async throws -> [Int] {
        try await (0..<200).lazy.map { _ in self.next() }.concurrentMap(limit: 3) { number in
            await Task.yield()
            return number
        }
    }

    private func next() -> Int {
        self.preconditionIsolated()
        self.count += 1
        return self.count
    }
}
