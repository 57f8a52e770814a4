// SPDX-License-Identifier: Apache-2.0

// Each of these reads the sequence in the caller's task, at most `limit` elements ahead of the work, and hands the elements to
// child tasks: one for each element up to `limit`, which then go on to the next. None is left when the call is over.
extension Sequence where Element: Sendable {
    /// Calls `transform` for every element, for at most `limit` at once.
    ///
    /// ```swift
    /// let pages = try await urls.concurrentMap(limit: 4) { try await client.get($0) }
    /// ```
    ///
    /// The sequence is read as the work goes on, so it may be lazy, long or dear. The first failure cancels what runs and begins
    /// nothing more; it is thrown when all has stopped.
    ///
    /// - Parameters:
    ///   - limit: How many elements are worked on at once; at least 1.
    ///   - transform: Called once for each element, off the caller's actor.
    /// - Returns: What `transform` returned, in the order of the elements.
    /// - Throws: `CancellationError` if the caller was cancelled; otherwise the first error of `transform`, unchanged.
    @inlinable
    public func concurrentMap<Value: Sendable>(
        limit: Int = Defaults.maximumConcurrent,
        _ transform: @escaping @Sendable (Element) async throws -> Value
    ) async throws -> [Value] {
        try await self.work(limit, InputOrder(expecting: self.underestimatedCount), transform).values()
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
    /// - Throws: `CancellationError`, and nothing else, if the caller was cancelled.
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
    ///
    /// They are read here, where the caller runs, and not by the workers: a sequence may touch what belongs to the caller's actor
    /// even where its type says that it is sendable, as a lazy map with a closure does.
    @inlinable
    func work<Results: Collector>(
        _ limit: Int, _ results: Results, isolation: isolated (any Actor)? = #isolation,
        _ body: @escaping @Sendable (Element) async throws -> Results.Value
    ) async throws -> Results {
        let handoff = Handoff<Element, Results>(limit: limit, results)
        do {
            try await withThrowingDiscardingTaskGroup { group in
                // Capturing the isolation makes the closure run on it.
                _ = isolation
                defer { handoff.finish() }
                for element in self {
                    guard !Task.isCancelled, case .goOn(let startingWorker, let hasRoom) = handoff.put(element) else {
                        return
                    }
                    if startingWorker { group.addTask { try await handoff.work(body) } }
                    if !hasRoom { await handoff.room() }
                }
            }
        } catch {
            // Work that was told to stop may say so in its own words.
            try Task.checkCancellation()
            throw error
        }
        try Task.checkCancellation()
        return handoff.results
    }
}
