// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// A question whose answer says whether this process can do its work.
public struct HealthCheck: Sendable {
    /// What is asked after, for example `database`.
    public let name: String
    private let check: @Sendable () async throws -> Void

    /// Creates a check.
    ///
    /// - Parameters:
    ///   - name: What is asked after.
    ///   - check: Throws if it is not well. Called under a time limit, possibly by several callers at once.
    public init(_ name: String, check: @escaping @Sendable () async throws -> Void) {
        self.name = name
        self.check = check
    }

    func run() async throws { try await self.check() }
}

/// All checks of a process, asked at once.
public struct HealthChecks: Sendable {
    /// How the process is.
    public struct Report: Sendable, Hashable, Codable {
        /// `ok` or `failing`.
        public let status: String
        /// For each check `ok` or, in general terms, what is wrong.
        public let checks: [String: String]
        /// How long each check took, in milliseconds.
        public let milliseconds: [String: Double]

        /// Whether every check passed.
        public var isHealthy: Bool { self.status == "ok" }
    }

    private let checks: [HealthCheck]
    private let pipeline: Pipeline<Deadline>
    private let time: any TimeSource

    /// Creates a set of checks, each of which fails if it takes longer than `timeout`.
    public init(_ checks: [HealthCheck], timeout: Duration = .seconds(2), time: any TimeSource = SystemTime.shared) {
        self.checks = checks
        self.time = time
        self.pipeline = Pipeline("health", time: time) { Deadline(timeout) }
    }

    /// Asks every check.
    public func report() async -> Report {
        var (results, milliseconds): ([String: String], [String: Double]) = ([:], [:])
        await withTaskGroup(of: (String, String, Duration).self) { group in
            for check in self.checks {
                group.addTask {
                    let start = self.time.now
                    return (check.name, await self.result(of: check), start.duration(to: self.time.now))
                }
            }
            for await (name, result, duration) in group {
                results[name] = result
                milliseconds[name] = (duration / .microseconds(1)).rounded() / 1_000
            }
        }
        return Report(
            status: results.values.allSatisfy { $0 == "ok" } ? "ok" : "failing", checks: results,
            milliseconds: milliseconds)
    }

    /// In general terms only, since the report is public: the error itself is in the logs of whoever threw it.
    private func result(of check: HealthCheck) async -> String {
        switch await self.pipeline.outcome({ _ in try await check.run() }) {
        case .success: "ok"
        case .timedOut: "timed out"
        case .failure, .rejected, .cancelled: "failing"
        }
    }
}
