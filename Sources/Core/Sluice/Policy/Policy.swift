// SPDX-License-Identifier: Apache-2.0

/// One layer around a call: decides whether, when and how often what is inside it runs.
///
/// A policy is a value or a final class that can be shared by any number of calls at once. It runs where its caller runs
/// (`nonisolated(nonsending)`, the default in this package), so a pipeline called by an actor may touch the actor's state.
public protocol Policy: Sendable {
    /// Runs `next`, or does not.
    ///
    /// - Parameters:
    ///   - context: What is known of the call; hand it on, with the attempt or deadline changed if that is what you do.
    ///   - next: The layers inside and, innermost, the operation. Never throws: how it ended is its result.
    func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure>
}

/// Two layers as one, the first outside the second.
public struct Nested<Outer: Policy, Inner: Policy>: Policy {
    @usableFromInline let outer: Outer
    @usableFromInline let inner: Inner

    @inlinable
    init(_ outer: Outer, _ inner: Inner) {
        self.outer = outer
        self.inner = inner
    }

    /// Runs the outer layer around the inner one.
    @inlinable
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await self.outer.execute(context) { context in
            await self.inner.execute(context, next)
        }
    }
}

/// A policy whose type is known only at run time, for module borders.
///
/// Costs one dynamic call where a ``Nested`` of known types is specialised away.
public struct AnyPolicy: Policy {
    private let base: any Policy

    /// Hides the type of `base`.
    public init(_ base: any Policy) {
        self.base = base
    }

    /// Runs the hidden policy.
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await self.base.execute(context, next)
    }
}
