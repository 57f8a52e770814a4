// SPDX-License-Identifier: Apache-2.0

/// How a call ended, as policies hand it from layer to layer.
///
/// A value where errors would be thrown anew by every layer; and five cases where there usually are two, since a breaker, a
/// retry and a metric must not mistake a call that never ran, or that nobody wants any more, for one that failed.
public enum Outcome<Value, Failure: Error> {
    /// The operation returned.
    case success(Value)
    /// The operation threw its own error.
    case failure(Failure)
    /// A policy turned the call away before the operation began.
    case rejected(RejectionError)
    /// A policy ended the operation at its time limit; whether it took effect is unknown.
    case timedOut(TimeoutError)
    /// The caller's task was cancelled: neither success nor failure, never retried, never counted.
    case cancelled

    /// How an operation that threw ended: a rejection or timeout of a pipeline within it is still one out here.
    @usableFromInline
    static func thrown(_ error: Failure) -> Outcome {
        switch error as any Error {
        case is CancellationError: .cancelled
        case let rejection as RejectionError: .rejected(rejection)
        case let timeout as TimeoutError: .timedOut(timeout)
        default: .failure(error)
        }
    }

    /// The case's name, for events and metrics.
    public var label: String {
        switch self {
        case .success: "success"
        case .failure: "failure"
        case .rejected: "rejected"
        case .timedOut: "timedOut"
        case .cancelled: "cancelled"
        }
    }

    /// The value, or the error thrown.
    ///
    /// - Throws: The operation's own error unchanged, ``RejectionError``, ``TimeoutError``, or `CancellationError`.
    @inlinable
    public func get() throws -> Value {
        switch self {
        case .success(let value): return value
        case .failure(let error): throw error
        case .rejected(let error): throw error
        case .timedOut(let error): throw error
        case .cancelled: throw CancellationError()
        }
    }
}

extension Outcome: Sendable where Value: Sendable {}
