// SPDX-License-Identifier: Apache-2.0

/// Runs `body` as a named operation: its calls inherit its id, deadline, priority and baggage, and its end is an event.
///
/// Where no operation is around it, events go to `observer`; otherwise to the one of the operation around it.
///
/// - Parameters:
///   - name: What is being done, for example `clubhouse.import`.
///   - attributes: What belongs into this operation's log lines.
///   - baggage: What belongs into those of everything it calls, added to what is inherited.
///   - priority: How much it matters; inherited if nil.
///   - limit: The longest it may take: calls within see the deadline, and `body` is cancelled when it comes.
///   - observer: Who is told of its end, if there is no operation around it.
///   - body: The operation, called once.
/// - Throws: What `body` throws, unchanged; ``TimeoutError`` at the limit.
public func withOperation<Value>(
    _ name: String,
    attributes: [String: String] = [:],
    baggage: [String: String] = [:],
    priority: OperationPriority? = nil,
    limit: Duration? = nil,
    observer: (any PolicyObserver)? = nil,
    _ body: (OperationContext) async throws -> Value
) async throws -> Value {
    let around = OperationContext.current
    let kind = OperationContext.Kind(
        name: name, time: around?.time ?? SystemTime.shared, observer: around?.observer ?? observer)
    var context = OperationContext.nested(kind, isIdempotent: around?.isIdempotent)
    if !attributes.isEmpty { context.attributes = attributes }
    if !baggage.isEmpty { context.baggage.merge(baggage) { _, new in new } }
    if let priority { context.priority = priority }
    func run(_ context: OperationContext) async -> Outcome<Value, any Error> {
        await OperationContext.$current.withValue(context) { () async -> Outcome<Value, any Error> in
            do { return .success(try await body(context)) } catch { return .thrown(error) }
        }
    }
    let outcome: Outcome<Value, any Error> =
        if let limit {
            await context.runLimited(by: limit.clampedNanoseconds, policy: Deadline.policyName, run)
        } else {
            await run(context)
        }
    context.record(
        PolicyEvent(
            .operationFinished, policy: name, outcome: outcome.label,
            duration: context.attemptStart.duration(to: context.time.now)))
    return try outcome.get()
}
