// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Turns the policies of everything that `body` calls down or off.
///
/// ```swift
/// try await withPolicies(.off) { try await service.charge(card) }
/// ```
///
/// Bound to the task, so tests that run side by side do not touch each other.
public func withPolicies<Value>(_ mode: PolicyMode, _ body: () async throws -> Value) async rethrows -> Value {
    var context = OperationContext.current ?? OperationContext(name: "test")
    context.mode = mode
    return try await OperationContext.$current.withValue(context, operation: body)
}
