// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

/// Runs real policies against a modelled service in virtual time, to choose their settings by evidence.
///
/// ```swift
/// let simulation = Simulation(
///     service: ServiceModel(
///         latency: .lognormal(median: .milliseconds(20), p99: .milliseconds(200)),
///         outages: [Outage(from: .seconds(20), to: .seconds(30), .failFast)]),
///     load: Load(.constant(100), for: .seconds(60))
/// ) { randomness in [Retry(maximumAttempts: 3, randomness: randomness), CircuitBreaker(), Timeout(.seconds(1))] }
/// print(try await simulation.run().successRate)
/// ```
///
/// What is exact: policies, their waits and their order. They are the ones a program uses, every task runs on one thread, and time
/// moves to the nanosecond when nothing is left to do, so the same simulation gives the same report on every run of one build.
/// (Another platform's logarithm may round differently.) What is modelled: the service. Its latency is drawn when a request
/// arrives and does not change afterwards, however many arrive later; networks, connections and processor time do not exist.
///
/// A policy of your own takes part if it waits by `context.time` only and starts no task of its own.
public struct Simulation: Sendable {
    /// The most requests of one simulation.
    public static let maximumRequests = 10_000_000
    /// The most requests of one call; a pipeline that makes more goes round in a circle.
    public static let maximumRequestsOfCall = 10_000
    /// How long after the last call the simulation goes on at most; what has not ended by then is counted as unfinished.
    public static let maximumAftermath = Duration.seconds(600)

    /// What the report is called.
    public let name: String
    /// What is called.
    public let service: ServiceModel
    /// The calls.
    public let load: Load
    /// What everything random is drawn from.
    public let seed: UInt64
    private let layers: @Sendable (Randomness) -> [any Policy]

    /// Describes a simulation.
    ///
    /// - Parameters:
    ///   - name: What the report is called.
    ///   - service: What is called.
    ///   - load: The calls.
    ///   - seed: What everything random is drawn from. Simulations with the same seed, service and load differ in their policies
    ///     only: the n-th request of each call meets the same latency and the same luck.
    ///   - layers: Makes the policies of one run, outermost first; none are needed. What they draw they must draw from the
    ///     randomness they are given.
    public init(
        _ name: String = "pipeline", service: ServiceModel, load: Load, seed: UInt64 = 1,
        layers: @escaping @Sendable (Randomness) -> [any Policy]
    ) {
        self.name = name
        self.service = service
        self.load = load
        self.seed = seed
        self.layers = layers
    }

    /// Runs the simulation, on a thread of its own.
    ///
    /// - Parameter progress: Told the part that is done, in `0...1`, about a hundred times, on that thread.
    /// - Throws: ``SimulationError`` if it makes too many requests, `CancellationError` if the task is cancelled.
    public func run(progress: (@Sendable (Double) -> Void)? = nil) async throws -> SimulationReport {
        try Task.checkCancellation()
        let run = SimulationRun(self, layers: self.layers(Randomness(seed: self.seed)))
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let status = DedicatedThread.start {
                    run.work(progress)
                    continuation.resume()
                }
                precondition(status == 0, "the simulation's thread could not be started (errno \(status))")
            }
        } onCancel: {
            run.stop()
        }
        try Task.checkCancellation()
        if run.hasMadeTooManyRequests { throw SimulationError.tooManyRequests }
        return run.recorder.report(of: self)
    }
}

/// Why a simulation has no report.
public enum SimulationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The pipeline made more than ``Simulation/maximumRequests``, or ``Simulation/maximumRequestsOfCall``.
    case tooManyRequests

    /// One line that says what to do.
    public var description: String {
        switch self {
        case .tooManyRequests:
            "the simulation made more than \(Simulation.maximumRequests) requests, or more than "
                + "\(Simulation.maximumRequestsOfCall) for one call: give it fewer calls, fewer attempts, longer waits "
                + "between them, or a retry budget"
        }
    }
}
