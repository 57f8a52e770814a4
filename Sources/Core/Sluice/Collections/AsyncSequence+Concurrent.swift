// SPDX-License-Identifier: Apache-2.0

// The same as for sequences, but for one more child task, which reads: nobody could call off the caller's own wait for an element.
extension AsyncSequence where Self: Sendable, Element: Sendable {
    /// Calls `transform` for every element, for at most `limit` at once.
    ///
    /// The sequence is read at most `limit` elements ahead of the work. The first failure, be it the sequence's or the work's,
    /// cancels what runs and the wait for the next element; it is thrown when all has stopped.
    ///
    /// - Parameters:
    ///   - limit: How many elements are worked on at once; at least 1.
    ///   - transform: Called once for each element, off the caller's actor.
    /// - Returns: What `transform` returned, in the order of the elements.
    /// - Throws: `CancellationError` if the caller was cancelled; otherwise the first error of `transform` or of the
    ///   sequence, unchanged.
    @inlinable
    public func concurrentMap<Value: Sendable>(
        limit: Int = Defaults.maximumConcurrent,
        _ transform: @escaping @Sendable (Element) async throws -> Value
    ) async throws -> [Value] {
        try await self.work(limit, InputOrder(expecting: 0), transform).values()
    }

    /// Calls `transform` for every element, for at most `limit` at once, and leaves out what became nil.
    ///
    /// Fails and is cancelled like ``concurrentMap(limit:_:)``.
    ///
    /// - Returns: What `transform` returned, but for nil, in the order of the elements.
    @inlinable
    public func concurrentCompactMap<Value: Sendable>(
        limit: Int = Defaults.maximumConcurrent,
        _ transform: @escaping @Sendable (Element) async throws -> Value?
    ) async throws -> [Value] {
        try await self.concurrentMap(limit: limit, transform).compactMap(\.self)
    }

    /// Asks for every element, for at most `limit` at once, whether to keep it.
    ///
    /// Fails and is cancelled like ``concurrentMap(limit:_:)``.
    ///
    /// - Returns: The elements for which `isIncluded` returned true, in their order.
    @inlinable
    public func concurrentFilter(
        limit: Int = Defaults.maximumConcurrent,
        _ isIncluded: @escaping @Sendable (Element) async throws -> Bool
    ) async throws -> [Element] {
        try await self.concurrentCompactMap(limit: limit) { try await isIncluded($0) ? $0 : nil }
    }

    /// Calls `body` for every element, for at most `limit` at once, in memory that does not depend on their number.
    ///
    /// Fails and is cancelled like ``concurrentMap(limit:_:)``.
    @inlinable
    public func concurrentForEach(
        limit: Int = Defaults.maximumConcurrent,
        _ body: @escaping @Sendable (Element) async throws -> Void
    ) async throws {
        _ = try await self.work(limit, NoResults(), body)
    }

    /// Does `work` for every element, for at most `limit` at once, whether or not it fails for some.
    ///
    /// - Parameters:
    ///   - limit: How many elements are worked on at once; at least 1.
    ///   - work: Called once for each element, off the caller's actor.
    /// - Returns: What `work` returned or threw, in the order of the elements.
    /// - Throws: `CancellationError` if the caller was cancelled; the sequence's own error.
    @inlinable
    public func gather<Value: Sendable>(
        limit: Int = Defaults.maximumConcurrent,
        _ work: @escaping @Sendable (Element) async throws -> Value
    ) async throws -> [Result<Value, any Error>] {
        try await self.concurrentMap(limit: limit) { element in
            await .catching { try await work(element) }
        }
    }

    /// Does `work` for every element, for at most `limit` at once, whether or not it fails for some; first come, first listed.
    ///
    /// Is cancelled like ``gather(limit:_:)``.
    ///
    /// - Returns: What `work` returned or threw, in the order in which it did, each with its element's index.
    @inlinable
    public func gatherCompletions<Value: Sendable>(
        limit: Int = Defaults.maximumConcurrent,
        _ work: @escaping @Sendable (Element) async throws -> Value
    ) async throws -> [Completion<Value>] {
        try await self.work(limit, CompletionOrder()) { element in
            await .catching { try await work(element) }
        }.completions
    }

    /// Feeds the elements to workers.
    @inlinable
    func work<Results: Collector>(
        _ limit: Int, _ results: Results, isolation: isolated (any Actor)? = #isolation,
        _ body: @escaping @Sendable (Element) async throws -> Results.Value
    ) async throws -> Results {
        let handoff = Handoff<Element, Results>(limit: limit, results)
        // Holds at most `limit` elements, since no more workers are ever asked for.
        let (openings, opening) = AsyncStream.makeStream(of: Void.self)
        do {
            try await withThrowingDiscardingTaskGroup { group in
                // Capturing the isolation makes the closure run on it.
                _ = isolation
                group.addTask {
                    defer { opening.finish() }
                    try await self.feed(handoff) { opening.yield() }
                }
                for await _ in openings { group.addTask { try await handoff.work(body) } }
                // The loop above ends early if the caller is cancelled; then nobody may come who makes room for the feeder.
                if Task.isCancelled { handoff.stop() }
            }
        } catch {
            // Work that was told to stop may say so in its own words.
            try Task.checkCancellation()
            throw error
        }
        try Task.checkCancellation()
        return handoff.results
    }

    @inlinable
    func feed<Results: Collector>(_ handoff: Handoff<Element, Results>, startWorker: () -> Void) async throws {
        do {
            for try await element in self {
                guard !Task.isCancelled, case .goOn(let startingWorker, let hasRoom) = handoff.put(element) else {
                    break
                }
                if startingWorker { startWorker() }
                if !hasRoom { await handoff.room() }
            }
            handoff.finish()
        } catch {
            handoff.stop()
            throw error
        }
    }
}
