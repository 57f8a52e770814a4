// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// A ``ServiceModel`` at work: answers requests in virtual time.
final class SimulatedService: Sendable {
    /// What becomes of a request.
    private enum Fate {
        /// Failed at once.
        case failed(ServiceFailure)
        /// Under way until an instant, and then answered, or failed.
        case answered(at: Instant, ServiceFailure?)
    }

    private let model: ServiceModel
    private let time: SimulationTime
    private let seed: UInt64
    private let inFlight = Mutex(0)

    init(_ model: ServiceModel, _ time: SimulationTime, seed: UInt64) {
        self.model = model
        self.time = time
        self.seed = seed
    }

    /// Answers the `request`-th request of a call.
    func answer(call: Int, request: Int) async throws {
        var numbers = SeededNumbers(seed: self.seed, purpose: 1, item: call, part: request)
        switch self.inFlight.withLock({ self.decide(&$0, &numbers) }) {
        case .failed(let failure):
            throw failure
        case .answered(let end, let failure):
            do {
                try await self.time.sleep(until: end)
            } catch {
                self.giveUp(until: end)
                throw error
            }
            self.inFlight.withLock { $0 -= 1 }
            if let failure { throw failure }
        }
    }

    private func decide(_ inFlight: inout Int, _ numbers: inout SeededNumbers) -> Fate {
        // Always drawn in this order, so that one setting of the model does not change what another draws.
        let drawn = self.model.latency.sample(&numbers)
        let isError = numbers.fraction() < self.model.errorRate
        let now = self.time.now
        let outage = self.model.outages.first { $0.contains(self.time.elapsed) }
        if case .failFast = outage?.kind { return .failed(ServiceFailure(reason: .outage, retryAfter: nil)) }
        if let capacity = self.model.capacity, let limit = capacity.hardLimit, inFlight >= limit {
            return .failed(ServiceFailure(reason: .refused, retryAfter: capacity.refusalWait))
        }
        inFlight += 1
        var nanoseconds = drawn.inNanoseconds
        switch outage?.kind {
        case .hang:
            let end = SimulationTime.start.advanced(by: outage?.to ?? .zero)
            return .answered(at: end, ServiceFailure(reason: .outage, retryAfter: nil))
        case .slow(let factor): nanoseconds *= factor
        case .failFast, nil: break
        }
        if let capacity = self.model.capacity {
            nanoseconds *= max(1, Double(inFlight) / Double(capacity.concurrent))
        }
        let end = now.advanced(by: LatencyDistribution.nanoseconds(nanoseconds))
        return .answered(at: end, isError ? ServiceFailure(reason: .error, retryAfter: nil) : nil)
    }

    /// The caller waits no more; unless told otherwise the service does not notice.
    private func giveUp(until end: Instant) {
        if self.model.honoursCancellation || end <= self.time.now {
            self.inFlight.withLock { $0 -= 1 }
        } else {
            _ = self.time.schedule(at: end) { self.inFlight.withLock { $0 -= 1 } }
        }
    }
}
