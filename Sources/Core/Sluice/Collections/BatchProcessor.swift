// SPDX-License-Identifier: Apache-2.0

/// Works through a long sequence in batches, some at once, and says how far it has come.
///
/// ```swift
/// let processor = BatchProcessor<Member>(batchSize: 500)
/// try await processor.process(members, progress: { print($0.finishedItems) }) { try await store.insert($0) }
/// ```
///
/// The sequence is read batch by batch as the work goes on, so no more than `batchSize` × `maximumConcurrency` items are held.
public struct BatchProcessor<Item: Sendable>: Sendable {
    /// How one batch ended.
    private struct Done<Value: Sendable>: Sendable {
        let index: Int
        let itemCount: Int
        let result: Result<Value, any Error>

        var hasFailed: Bool {
            if case .failure = self.result { true } else { false }
        }
    }

    /// Items in a batch; the last may have fewer.
    public let batchSize: Int
    /// How many batches are worked on at once.
    public let maximumConcurrency: Int

    /// Creates a processor.
    ///
    /// - Parameters:
    ///   - batchSize: Items in a batch; at least 1.
    ///   - maximumConcurrency: How many batches are worked on at once; at least 1.
    public init(batchSize: Int = 100, maximumConcurrency: Int = 3) {
        precondition(batchSize >= 1, "batchSize must be at least 1 (is \(batchSize))")
        precondition(maximumConcurrency >= 1, "maximumConcurrency must be at least 1 (is \(maximumConcurrency))")
        self.batchSize = batchSize
        self.maximumConcurrency = maximumConcurrency
    }

    /// Does `work` for every batch; the first failure cancels the others and begins no more.
    ///
    /// - Parameters:
    ///   - items: Read where the caller runs.
    ///   - progress: Called where the caller runs, after each batch, in the order in which batches end.
    ///   - work: Called once for each batch, off the caller's actor.
    /// - Returns: What `work` returned, in the order of the batches.
    /// - Throws: `CancellationError` if the caller was cancelled; otherwise the first error of `work`, unchanged.
    @discardableResult
    public func process<Value: Sendable>(
        _ items: some Sequence<Item>,
        progress: (BatchProgress) -> Void = { _ in },
        _ work: @escaping @Sendable ([Item]) async throws -> Value
    ) async throws -> [Value] {
        try await self.run(items, stoppingAtFailure: true, progress: progress, work).map { try $0.get() }
    }

    /// Does `work` for every batch, whether or not it fails for some.
    ///
    /// - Parameters:
    ///   - items: Read where the caller runs.
    ///   - progress: Called where the caller runs, after each batch, in the order in which batches end.
    ///   - work: Called once for each batch, off the caller's actor.
    /// - Returns: What `work` returned or threw, in the order of the batches.
    /// - Throws: `CancellationError`, and nothing else, if the caller was cancelled.
    public func gather<Value: Sendable>(
        _ items: some Sequence<Item>,
        progress: (BatchProgress) -> Void = { _ in },
        _ work: @escaping @Sendable ([Item]) async throws -> Value
    ) async throws -> [Result<Value, any Error>] {
        try await self.run(items, stoppingAtFailure: false, progress: progress, work)
    }

    /// One child task for each batch, so that each end can be reported in turn from here; a batch is work enough for a task.
    private func run<Value: Sendable>(
        _ items: some Sequence<Item>, stoppingAtFailure: Bool, isolation: isolated (any Actor)? = #isolation,
        progress: (BatchProgress) -> Void, _ work: @escaping @Sendable ([Item]) async throws -> Value
    ) async throws -> [Result<Value, any Error>] {
        try await withThrowingTaskGroup(of: Done<Value>.self) { group in
            // Capturing the isolation makes the closure run on it.
            _ = isolation
            var batches = items.makeIterator()
            var results = InputOrder<Result<Value, any Error>>(expecting: 0)
            var begun = 0
            var reached = BatchProgress()
            while true {
                while begun - reached.finishedBatches < self.maximumConcurrency, !Task.isCancelled {
                    let batch = self.batch(from: &batches)
                    if batch.isEmpty { break }
                    let index = begun
                    begun += 1
                    group.addTask {
                        let result = await Result.catching { try await work(batch) }
                        return Done(index: index, itemCount: batch.count, result: result)
                    }
                }
                let done = try await group.next()
                // Before the failure, since work that was told to stop may say so in its own words.
                try Task.checkCancellation()
                guard let done else { return results.values() }
                reached.noteBatch(of: done.itemCount, failed: done.hasFailed)
                progress(reached)
                if stoppingAtFailure { _ = try done.result.get() }
                results.collect(done.result, at: done.index)
            }
        }
    }

    /// The next items, as many as there are but no more than a batch.
    private func batch(from items: inout some IteratorProtocol<Item>) -> [Item] {
        var batch: [Item] = []
        while batch.count < self.batchSize, let item = items.next() { batch.append(item) }
        return batch
    }
}
