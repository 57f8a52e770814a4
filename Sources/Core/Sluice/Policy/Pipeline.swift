// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Runs operations under policies, the first written outermost.
///
/// ```swift
/// let fixtures = Pipeline("fixtures", isIdempotent: true) {
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
    @usableFromInline let nest: Layers
    @usableFromInline let isIdempotent: Bool?

    /// Creates a pipeline.
    ///
    /// - Parameters:
    ///   - name: What is being done, for example `clubhouse.import`.
    ///   - isIdempotent: Whether running an operation twice does no more than once, for all calls that do not say themselves.
    ///   - time: The time line of its deadlines and waits.
    ///   - observer: Who is told of its events.
    ///   - layers: The policies, outermost first.
    /// - Precondition: The layers' order is none of ``PipelineOrder``'s mistakes.
    public init(
        _ name: String,
        isIdempotent: Bool? = nil,
        time: any TimeSource = SystemTime.shared,
        observer: (any PolicyObserver)? = nil,
        @PipelineBuilder layers: () -> Layers
    ) {
        self.init(name, isIdempotent: isIdempotent, time: time, observer: observer, nest: layers())
        if let around = OperationContext.current, self.layers.contains(where: { $0 is any StatefulPolicy }) {
            around.record(PolicyEvent(.pipelineMadeInsideCall, policy: name))
        }
    }

    init(_ name: String, isIdempotent: Bool?, time: any TimeSource, observer: (any PolicyObserver)?, nest: Layers) {
        self.kind = OperationContext.Kind(name: name, time: time, observer: observer)
        self.nest = nest
        self.isIdempotent = isIdempotent
        for case let retry as Retry in nest.layers {
            for case let hedge as Hedge in nest.layers where hedge.budget === retry.budget {
                hedge.isPaidByRetry.store(true, ordering: .relaxed)
            }
        }
        let mistakes = PipelineOrder.mistakes(in: nest.layers)
        precondition(mistakes.isEmpty, "pipeline \(name): " + mistakes.joined(separator: "; "))
    }

    /// What is being done, in events, logs and metrics.
    public var name: String { self.kind.name }

    /// Runs `operation` under the policies.
    ///
    /// - Throws: The operation's own error unchanged; ``RejectionError`` if it never ran; ``TimeoutError`` if a limit ended
    ///   it; `CancellationError` if the task was cancelled.
    @inlinable @inline(__always)
    public func callAsFunction<Value>(_ operation: () async throws -> Value) async throws -> Value {
        try await self.outcome { (_: OperationContext) async throws -> Value in try await operation() }.get()
    }

    /// Runs `operation` under the policies and says how it ended, without throwing.
    ///
    /// - Parameters:
    ///   - isIdempotent: Whether running the operation twice does no more than once; false keeps ``Retry`` from repeating
    ///     what may have had an effect, and what is neither true here nor in the pipeline keeps it from repeating a timeout.
    ///   - operation: Called once for each attempt, with the attempt's number and deadline in its context.
    @inlinable @inline(__always)
    public func outcome<Value, Failure: Error>(
        isIdempotent: Bool? = nil,
        _ operation: (OperationContext) async throws(Failure) -> Value
    ) async -> Outcome<Value, Failure> {
        let context = OperationContext.nested(self.kind, isIdempotent: isIdempotent ?? self.isIdempotent)
        return await self.run(context, operation)
    }

    @inlinable @inline(__always)
    func run<Value, Failure: Error>(
        _ context: OperationContext,
        _ operation: (OperationContext) async throws(Failure) -> Value
    ) async -> Outcome<Value, Failure> {
        if context.mode == .off { return await Self.attempt(context, operation) }
        let outcome = await self.nest.execute(context) { context in
            await Self.attempt(context, operation)
        }
        if context.isObserved { self.recordEnd(outcome.label, of: context) }
        return outcome
    }

    /// Runs the operation once, with its context where user code finds it.
    @inlinable @inline(__always)
    static func attempt<Value, Failure: Error>(
        _ context: OperationContext,
        _ operation: (OperationContext) async throws(Failure) -> Value
    ) async -> Outcome<Value, Failure> {
        let note = StallMonitor.isActive ? StallMonitor.noteBegin(context) : nil
        defer { if let note { StallMonitor.noteEnd(note) } }
        return await OperationContext.$current.withValue(context) { () async -> Outcome<Value, Failure> in
            do throws(Failure) {
                return .success(try await operation(context))
            } catch {
                return .thrown(error)
            }
        }
    }

    @usableFromInline
    func recordEnd(_ outcome: String, of context: OperationContext) {
        context.record(
            PolicyEvent(
                .pipelineFinished, policy: self.name, outcome: outcome,
                duration: context.attemptStart.duration(to: context.time.now)))
    }

    /// The same pipeline, with the same memory, and its layers' types hidden, to be stored where they cannot be named.
    public func erased() -> Pipeline<AnyPolicy> {
        Pipeline<AnyPolicy>(
            self.name, isIdempotent: self.isIdempotent, time: self.kind.time, observer: self.kind.observer,
            nest: AnyPolicy(self.nest))
    }
}

/// A policy that remembers from call to call, so that a pipeline made for one call makes it useless.
public protocol StatefulPolicy: Policy {}
