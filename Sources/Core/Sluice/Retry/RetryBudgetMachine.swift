// SPDX-License-Identifier: Apache-2.0

/// The rules of a retry budget alone: how many retries the calls of the last ten seconds pay for.
///
/// Every call pays in a part of a retry, every retry takes one out, and what is older than ten seconds counts no more. A floor
/// lets a service that is called rarely retry at all.
///
/// - Source: the windowed token budget of Finagle's `RetryBudget`; its figures (20 %, 10 a second, 10 s) are the defaults.
public struct RetryBudgetMachine: Sendable {
    /// How far back calls count.
    public static let window = Duration.seconds(10)
    private static let slotCount = 10
    private static var slotNanoseconds: Int64 { 1_000_000_000 }

    private struct Slot {
        var second: Int64 = .min
        var calls = 0
        var retries = 0
    }

    private let ratio: Double
    private let floor: Double
    /// The second that calls come in now; apart from the others, since every call is counted here.
    private var current = Slot()
    private var past = [Slot](repeating: Slot(), count: RetryBudgetMachine.slotCount)

    /// Creates a budget.
    ///
    /// - Parameters:
    ///   - ratio: Retries for each call, in `0...1_000`.
    ///   - minimumPerSecond: Retries a second that nobody has to pay for; at least 0.
    public init(ratio: Double = 0.2, minimumPerSecond: Double = 10) {
        precondition((0...1_000).contains(ratio), "ratio must be 0 to 1000 (is \(ratio))")
        precondition(minimumPerSecond >= 0, "minimumPerSecond must not be negative (is \(minimumPerSecond))")
        self.ratio = ratio
        self.floor = minimumPerSecond * Double(Self.slotCount)
    }

    /// A call begins and pays in.
    public mutating func recordCall(at now: Instant) {
        self.turn(to: now)
        self.current.calls &+= 1
    }

    /// Takes out a retry.
    ///
    /// - Returns: False if there is none.
    public mutating func takeRetry(at now: Instant) -> Bool {
        guard self.balance(at: now) >= 1 else { return false }
        self.turn(to: now)
        self.current.retries &+= 1
        return true
    }

    /// How many retries there are.
    public func balance(at now: Instant) -> Double {
        let oldest = now.nanoseconds / Self.slotNanoseconds - Int64(Self.slotCount)
        return (self.past + [self.current]).reduce(self.floor) { balance, slot in
            slot.second > oldest ? balance + Double(slot.calls) * self.ratio - Double(slot.retries) : balance
        }
    }

    /// Begins a new second, if `now` is in one; readings come in a little out of order, and a late one counts for the present.
    private mutating func turn(to now: Instant) {
        let second = now.nanoseconds / Self.slotNanoseconds
        guard second > self.current.second else { return }
        self.past[Int(self.current.second.magnitude % UInt64(Self.slotCount))] = self.current
        self.current = Slot(second: second)
    }
}
