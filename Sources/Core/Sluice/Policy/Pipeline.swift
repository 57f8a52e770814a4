// SPDX-License-Identifier: Apache-2.0

/// Runs operations under policies, the first written outermost.
///
/// ```swift
/// let fixtures = Pipeline("fixtures") {
///     Deadline(.seconds(30))
///     Retry(maximumAttempts: 3)
///     CircuitBreaker(consecutiveFailures: 5, openFor: .seconds(60))
///     RateLimit(100, per: .seconds(60))
///     Timeout(.seconds(10))
/// }
/// let season = try await fixtures { try await download(season) }
/// ```
///
/// The layers' types are part of the pipeline's, so the compiler specialises the whole of it; ``erased()`` hides them.
/// Make a pipeline once and keep it: its breaker and its limiter remember only within it.
public struct Pipeline<Layers: Policy>: Sendable {
    @usableFromInline let kind: OperationContext.Kind
    @usableFromInline let layers: Layers

    /// Creates a pipeline.
    ///
    /// - Parameters:
    ///   - name: What is being done, for example `clubhouse.import`.
    ///   - time: The time line of its deadlines and waits.
    ///   - observer: Who is told of its events.
    ///   - layers: The policies, outermost first.
    @inlinable
    public init(
        _ name: String,
        time: any TimeSource = SystemTime.shared,
        observer: (any PolicyObserver)? = nil,
        @PipelineBuilder layers: () -> Layers
    ) {
        self.kind = OperationContext.Kind(name: name, time: time, observer: observer)
        self.layers = layers()
    }

    /// What is being done, in events, logs and metrics.
    public var name: String { self.kind.name }

    /// Runs `operation` under the policies.
    ///
    /// - Throws: The operation's own error unchanged; ``RejectionError`` if it never ran; ``TimeoutError`` if a limit ended
    ///   it; `CancellationError` if the task was cancelled.
    @inlinable
    public func callAsFunction<Value>(_ operation: () async throws -> Value) async throws -> Value {
        try await self.outcome { (_: OperationContext) async throws -> Value in try await operation() }.get()
    }

    /// Runs `operation` under the policies and says how it ended, without throwing.
    ///
    /// - Parameters:
    ///   - isIdempotent: Whether running the operation twice does no more than once; false keeps ``Retry`` from repeating
    ///     what may have had an effect.
    ///   - operation: Called once for each attempt, with the attempt's number and deadline in its context.
    @inlinable
    public func outcome<Value, Failure: Error>(
        isIdempotent: Bool = true,
        _ operation: (OperationContext) async throws(Failure) -> Value
    ) async -> Outcome<Value, Failure> {
        let context = OperationContext.nested(self.kind, isIdempotent: isIdempotent)
        guard context.observer != nil else { return await self.run(context, operation) }
        let start = context.time.now
        let outcome = await self.run(context, operation)
        context.record(
            PolicyEvent(
                "pipeline.finished", .information, policy: self.name, outcome: outcome.label,
                duration: start.duration(to: context.time.now)))
        return outcome
    }

    @inlinable
    func run<Value, Failure: Error>(
        _ context: OperationContext,
        _ operation: (OperationContext) async throws(Failure) -> Value
    ) async -> Outcome<Value, Failure> {
        await self.layers.execute(context) { context in
            await OperationContext.$current.withValue(context) { () async -> Outcome<Value, Failure> in
                do throws(Failure) {
                    return .success(try await operation(context))
                } catch {
                    return .thrown(error)
                }
            }
        }
    }

    /// The same pipeline with its layers' types hidden, to be stored where they cannot be named.
    public func erased() -> Pipeline<AnyPolicy> {
        Pipeline<AnyPolicy>(self.name, time: self.kind.time, observer: self.kind.observer) { AnyPolicy(self.layers) }
    }
}

/// Puts policies written one below the other into one another.
@resultBuilder
public enum PipelineBuilder {
    /// The outermost layer.
    @inlinable
    public static func buildPartialBlock<Layer: Policy>(first: Layer) -> Layer { first }

    /// A layer inside those above it.
    @inlinable
    public static func buildPartialBlock<Outer: Policy, Inner: Policy>(
        accumulated: Outer, next: Inner
    ) -> Nested<Outer, Inner> {
        Nested(accumulated, next)
    }
}
