// SPDX-License-Identifier: Apache-2.0

/// What an error knows about trying again.
public enum RetryAdvice: Sendable, Hashable {
    /// The same call would fail the same way: not found, not allowed, malformed.
    case never
    /// The operation certainly had no effect, so even one that is not idempotent may be tried again; not before `after`, if
    /// the other side said so.
    case always(after: Duration?)
    /// The operation may have had an effect, so only an idempotent one may be tried again; not before `after`, if the other
    /// side said so.
    case ifIdempotent(after: Duration?)
}

/// An error that says whether trying again makes sense, so that no application has to write that down again.
///
/// Every driver's error does. An error that does not conform is taken as ``RetryAdvice/ifIdempotent(after:)``.
public protocol RetryAdvising: Error {
    /// Whether, and how soon, trying again makes sense.
    var retryAdvice: RetryAdvice { get }
}
