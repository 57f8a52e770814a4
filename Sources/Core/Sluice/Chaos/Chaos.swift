// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Injects what goes wrong outside, on purpose and by a seed, to see whether what stands around it holds.
///
/// Written last, where the operation's own faults come from. Off unless `isActive` says otherwise for the call, so that it can be
/// limited to a tenant, an attribute or a test.
public final class Chaos: TunablePolicy {
    /// The values chaos works by: for each fault how likely it is, in `0...1`.
    public struct Settings: PolicySettings {
        /// The operation is not run and fails.
        public var fault: Double
        /// The operation runs `delay` later.
        public var latency: Double
        /// How much later.
        public var delay: Duration
        /// The operation is not run and returns the value that chaos was made with.
        public var outcome: Double
        /// The call stays until it is cancelled.
        public var hang: Double
        /// The call stays for `delay` even if it is cancelled.
        public var ignoredCancellation: Double

        /// States settings; nothing is injected by default.
        public init(
            fault: Double = 0, latency: Double = 0, delay: Duration = .seconds(1), outcome: Double = 0,
            hang: Double = 0,
            ignoredCancellation: Double = 0
        ) {
            self.fault = fault
            self.latency = latency
            self.delay = delay
            self.outcome = outcome
            self.hang = hang
            self.ignoredCancellation = ignoredCancellation
        }

        /// Every value by name.
        public static let keys: [SettingKey<Settings>] = [
            .number("fault", 0...1, \.fault),
            .number("latency", 0...1, \.latency),
            .duration("delay", atLeast: .zero, \.delay),
            .number("outcome", 0...1, \.outcome),
            .number("hang", 0...1, \.hang),
            .number("ignoredCancellation", 0...1, \.ignoredCancellation),
        ]
    }

    /// The policy's name in descriptions, events and errors.
    public static let policyName = "chaos"

    private let current: Mutex<Settings>
    private let randomness: Randomness
    private let error: any Error
    private let value: (any Sendable)?
    private let isActive: @Sendable (OperationContext) -> Bool

    /// Creates chaos.
    ///
    /// - Parameters:
    ///   - settings: How likely each fault is.
    ///   - randomness: What decides; give it a seed to repeat a run.
    ///   - error: What an injected fault throws; where the operation cannot throw it, the call is rejected.
    ///   - value: What an injected outcome returns, if it has the type that the operation returns.
    ///   - isActive: Which calls may be hit.
    public init(
        _ settings: Settings, randomness: Randomness = .shared, error: any Error = InjectedFault(),
        value: (any Sendable)? = nil, isActive: @escaping @Sendable (OperationContext) -> Bool
    ) {
        self.current = Mutex(settings.checked())
        self.randomness = randomness
        self.error = error
        self.value = value
        self.isActive = isActive
    }

    /// The values it works by now.
    public var settings: Settings { self.current.withLock { $0 } }

    /// Works by other values from now on.
    public func update(_ settings: Settings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        self.current.withLock { $0 = checked }
    }

    /// Runs `next`, or something worse.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        var context = context
        if self.mayHit(context), let outcome: Outcome<Value, Failure> = await self.inject(&context) { return outcome }
        return await next(context)
    }

    @usableFromInline
    func mayHit(_ context: OperationContext) -> Bool { self.isActive(context) }

    /// Injects what the draws say; the outcome, if the operation is not to run.
    @usableFromInline
    func inject<Value, Failure: Error>(_ context: inout OperationContext) async -> Outcome<Value, Failure>? {
        let settings = self.settings
        if self.hits(settings.ignoredCancellation, context, "ignoredCancellation") {
            await self.pause(settings.delay, context)
        }
        if self.hits(settings.hang, context, "hang") {
            do { try await context.time.sleep(until: .distantFuture) } catch { return .cancelled }
        }
        if self.hits(settings.latency, context, "latency") {
            do { try await context.time.sleep(until: context.time.now.advanced(by: settings.delay)) } catch {
                return .cancelled
            }
            context.attemptStart = context.time.now
        }
        if let value = self.value as? Value, self.hits(settings.outcome, context, "outcome") { return .success(value) }
        guard self.hits(settings.fault, context, "fault") else { return nil }
        if let failure = self.error as? Failure { return .failure(failure) }
        return .rejected(RejectionError(policy: Self.policyName, reason: .faultInjected, in: context))
    }

    private func hits(_ probability: Double, _ context: OperationContext, _ what: String) -> Bool {
        guard probability > 0, self.randomness.fraction() < probability else { return false }
        context.record(PolicyEvent(.chaosInjected, policy: Self.policyName, outcome: what))
        return true
    }

    /// Waits without looking at cancellation.
    private func pause(_ duration: Duration, _ context: OperationContext) async {
        let suspension = Suspension<Void>()
        _ = context.time.schedule(at: context.time.now.advanced(by: duration)) { suspension.settle(()) }
        await suspension.value()
    }
}

extension Chaos: InnermostLayer {}

/// The error that ``Chaos`` injects unless told otherwise.
public struct InjectedFault: Error, Sendable, Hashable {
    /// Creates the error.
    public init() {}
}
