// SPDX-License-Identifier: Apache-2.0

/// Puts policies written one below the other into one another.
///
/// The compiler warns of neighbours in an order that is always a mistake, and ``PipelineOrder`` refuses every such order when the
/// pipeline is made. (A warning and no error: of two overloads the compiler takes the one that is available, so one that is not
/// can never refuse anything. It is an error where warnings are.)
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

    /// Warned of: a fallback in a layer that judges or repeats hides the failure from it.
    @available(*, deprecated, message: "a Fallback here hides failures from the layer above it: write it first")
    @inlinable
    public static func buildPartialBlock<Outer: FailureSensitive, Substitute: Sendable>(
        accumulated: Outer, next: Fallback<Substitute>
    ) -> Nested<Outer, Fallback<Substitute>> {
        Nested(accumulated, next)
    }

    /// Warned of: chaos stands for the world outside, so no policy belongs inside it.
    @available(*, deprecated, message: "Chaos stands for the operation's own faults: write it last")
    @inlinable
    public static func buildPartialBlock<Outer: InnermostLayer, Inner: Policy>(
        accumulated: Outer, next: Inner
    ) -> Nested<Outer, Inner> {
        Nested(accumulated, next)
    }

    /// Warned of: a hedge starts attempts side by side, and a retry in each of them multiplies the load.
    @available(*, deprecated, message: "a Retry inside a Hedge multiplies the load: write the Retry first")
    @inlinable
    public static func buildPartialBlock<Outer: HedgingLayer>(
        accumulated: Outer, next: Retry
    ) -> Nested<Outer, Retry> {
        Nested(accumulated, next)
    }

    /// Warned of: a timeout bounds one attempt, and a retry inside it would have to share that.
    @available(*, deprecated, message: "a Timeout bounds one attempt: write it after the Retry, and a Deadline here")
    @inlinable
    public static func buildPartialBlock<Outer: AttemptLimiting>(
        accumulated: Outer, next: Retry
    ) -> Nested<Outer, Retry> {
        Nested(accumulated, next)
    }
}

/// A layer that judges or repeats by failures, so that a ``Fallback`` inside it would blind it.
public protocol FailureSensitive: Policy {}
/// A layer with nothing but the operation inside it.
public protocol InnermostLayer: Policy {}
/// A layer that starts attempts side by side.
public protocol HedgingLayer: FailureSensitive {}
/// A layer that bounds one attempt.
public protocol AttemptLimiting: Policy {}

// A nest is what its innermost layer is, since that is the next one's neighbour.
extension Nested: FailureSensitive where Inner: FailureSensitive {}
extension Nested: InnermostLayer where Inner: InnermostLayer {}
extension Nested: HedgingLayer where Inner: HedgingLayer {}
extension Nested: AttemptLimiting where Inner: AttemptLimiting {}
