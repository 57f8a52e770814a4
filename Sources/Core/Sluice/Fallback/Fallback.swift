// SPDX-License-Identifier: Apache-2.0

/// Answers a call that failed with a value that is good enough.
///
/// Written first, so that it sees what everything else could not prevent. Its value must be of the type that the call returns:
/// for another the failure stands, and an event says so. Cancellation is never answered.
public struct Fallback<Substitute: Sendable>: Policy, FallbackLayer {
    private let handles: @Sendable (any Error) -> Bool
    private let substitute: @Sendable (any Error) async throws -> Substitute

    /// Creates a fallback.
    ///
    /// - Parameters:
    ///   - handles: Which errors it answers; by default all.
    ///   - substitute: Makes the value; if it throws, the original failure stands.
    public init(
        when handles: @escaping @Sendable (any Error) -> Bool = { _ in true },
        _ substitute: @escaping @Sendable (any Error) async throws -> Substitute
    ) {
        self.handles = handles
        self.substitute = substitute
    }

    /// The policy's name and the type of its value.
    public var description: PolicyDescription {
        PolicyDescription("fallback", settings: [("type", "\(Substitute.self)")])
    }

    /// Runs `next`, and the substitute if that failed.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        let outcome = await next(context)
        switch outcome {
        case .success, .cancelled: return outcome
        case .failure(let error): return await self.answer(error, outcome, context)
        case .rejected(let error): return await self.answer(error, outcome, context)
        case .timedOut(let error): return await self.answer(error, outcome, context)
        }
    }

    @usableFromInline
    func answer<Value, Failure: Error>(
        _ error: any Error, _ outcome: Outcome<Value, Failure>, _ context: OperationContext
    ) async -> Outcome<Value, Failure> {
        // Nobody is there any more to be answered.
        guard !Task.isCancelled else { return .cancelled }
        guard self.handles(error) else { return outcome }
        guard Substitute.self is Value.Type else {
            context.record(PolicyEvent(.fallbackMismatched, policy: "fallback", outcome: outcome.label))
            return outcome
        }
        guard let value = try? await self.substitute(error) as? Value else {
            return Task.isCancelled ? .cancelled : outcome
        }
        context.record(PolicyEvent(.fallbackUsed, policy: "fallback", outcome: outcome.label))
        return .success(value)
    }
}

/// A ``Fallback`` of whatever type.
public protocol FallbackLayer: Policy {}
