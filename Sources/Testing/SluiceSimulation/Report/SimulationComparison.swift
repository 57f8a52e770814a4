// SPDX-License-Identifier: Apache-2.0

/// The reports of pipelines that faced the same service and load.
public struct SimulationComparison: Sendable, Hashable, Codable {
    /// What was simulated.
    public let name: String
    /// One report for each pipeline.
    public let reports: [SimulationReport]

    /// Puts reports side by side.
    public init(_ name: String, _ reports: [SimulationReport]) {
        self.name = name
        self.reports = reports
    }
}
