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

    /// The layers this policy is made of, outermost first; itself, unless it nests others.
    var layers: [any Policy] { get }

    /// Its name and settings, for people, tests and the operations view.
    var description: PolicyDescription { get }

    /// The worst that can happen through this layer, given the worst inside it.
    func bounds(around inner: PipelineBounds) -> PipelineBounds

    /// Changes settings by name and keeps everything the policy remembers; all of them, or none.
    ///
    /// - Throws: ``InvalidSettingError`` for a name that does not exist or a value out of range.
    func reconfigure(_ changes: [String: String]) throws(InvalidSettingError)
}

extension Policy {
    /// The policy itself.
    public var layers: [any Policy] { [self] }

    /// The type's name, and no settings.
    public var description: PolicyDescription { PolicyDescription("\(Self.self)") }

    /// What is inside, unchanged.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds { inner }

    /// Refuses every change.
    public func reconfigure(_ changes: [String: String]) throws(InvalidSettingError) {
        if let name = changes.keys.min() { throw InvalidSettingError(name, "this policy has no settings") }
    }
}

/// A policy whose settings can change while calls run through it.
public protocol TunablePolicy: Policy {
    /// The values it works by.
    associatedtype Settings: PolicySettings
    /// The policy's name in descriptions, events and errors.
    static var policyName: String { get }
    /// The values it works by now.
    var settings: Settings { get }
    /// Works by other values from now on, and keeps everything it remembers.
    ///
    /// - Throws: ``InvalidSettingError``; then nothing has changed.
    func update(_ settings: Settings) throws(InvalidSettingError)
}

extension TunablePolicy {
    /// The policy's name and its settings as text.
    public var description: PolicyDescription { PolicyDescription(Self.policyName, settings: self.settings.texts) }

    /// Changes settings by name.
    public func reconfigure(_ changes: [String: String]) throws(InvalidSettingError) {
        try self.update(try self.settings.applying(changes))
    }

    /// Refuses what `reconfigure(_:)` would refuse, and changes nothing.
    func check(_ changes: [String: String]) throws(InvalidSettingError) {
        _ = try self.settings.applying(changes)
    }
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

    /// The layers of both.
    public var layers: [any Policy] { self.outer.layers + self.inner.layers }

    /// The worst through both.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds {
        self.outer.bounds(around: self.inner.bounds(around: inner))
    }

    /// Runs the outer layer around the inner one.
    @inlinable @inline(__always)
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

    /// Puts policies known only at run time into one another, the first outermost.
    ///
    /// - Parameter policies: At least one.
    public init(nesting policies: [any Policy]) {
        precondition(!policies.isEmpty, "at least one policy is needed")
        self = policies.dropLast().reversed().reduce(AnyPolicy(policies[policies.count - 1])) { inner, outer in
            AnyPolicy(Nested(AnyPolicy(outer), inner))
        }
    }

    /// The hidden policy's layers.
    public var layers: [any Policy] { self.base.layers }
    /// The hidden policy's description.
    public var description: PolicyDescription { self.base.description }

    /// The hidden policy's bounds.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds { self.base.bounds(around: inner) }

    /// Changes the hidden policy's settings.
    public func reconfigure(_ changes: [String: String]) throws(InvalidSettingError) {
        try self.base.reconfigure(changes)
    }

    /// Runs the hidden policy.
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await self.base.execute(context, next)
    }
}
