// SPDX-License-Identifier: Apache-2.0
public import Foundation
import Sluice

/// A simulation as a JSON file describes it: a service, a load, and one or more pipelines that face both.
///
/// ```json
/// {
///   "name": "Outage",
///   "seed": 1,
///   "pipeline": [{"deadline": {"limit": "3s"}}, {"retry": {"maximumAttempts": "3"}}, {"circuitBreaker": {}}],
///   "compare": [{"name": "without retry", "pipeline": [{"timeout": {"limit": "1s"}}]}],
///   "service": {
///     "latency": {"lognormal": {"median": "20ms", "p99": "200ms"}}, "errorRate": 0.01,
///     "capacity": {"concurrent": 50, "hardLimit": 200, "refusalWait": "1s"},
///     "outages": [{"from": "20s", "to": "30s", "kind": "failFast"}]
///   },
///   "load": {"rate": 100, "duration": "60s", "arrivals": "poisson", "idempotent": true}
/// }
/// ```
///
/// A layer's members are its policy's settings, in their texts; a retry and a hedge take a `budget` (`"none"`, or `ratio` and
/// `minimumPerSecond`) beside them, a rate limit `obeysHints`. A latency is one of `constant`, `uniform` (`from`, `to`),
/// `lognormal` (`median`, `p99`) and `exponential` (`mean`); an outage is `failFast`, `hang` or `slow` by a `factor`; a load has
/// one of `rate`, `ramp` (`from`, `to`) and `steps` (a list of `from` and `rate`). Either of `pipeline` and `compare` may be
/// left out.
public struct SimulationFile: Sendable {
    /// The largest file, in bytes.
    public static let maximumSize = 1_000_000

    /// What is simulated.
    public let name: String
    /// One simulation for each pipeline, in the order of the file.
    public let simulations: [Simulation]

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - data: JSON in UTF-8.
    ///   - seed: The seed to use instead of the file's.
    /// - Throws: ``SimulationFileError`` with the place of what is wrong.
    public init(_ data: Data, seed: UInt64? = nil) throws(SimulationFileError) {
        let root = FileNode(value: try Self.parse(data), path: "")
        let members = try root.members(["name", "seed", "pipeline", "compare", "service", "load"])
        self.name = try members["name"]?.string() ?? "Simulation"
        let fileSeed = try members["seed"].map { node throws(SimulationFileError) in try node.integer(0...Int.max) }
        let service = try ServiceReader.service(try .required("service", members, of: root))
        let load = try ServiceReader.load(try .required("load", members, of: root))
        var simulations: [Simulation] = []
        for (name, layers) in try Self.pipelines(members, of: root) {
            simulations.append(
                Simulation(name, service: service, load: load, seed: seed ?? UInt64(fileSeed ?? 1)) { randomness in
                    layers.map { $0(randomness) }
                })
        }
        self.simulations = simulations
    }

    private static func parse(_ data: Data) throws(SimulationFileError) -> JSONValue {
        guard data.count <= self.maximumSize else {
            throw SimulationFileError(path: "", reason: "must be at most \(self.maximumSize) bytes (is \(data.count))")
        }
        do {
            // Parsed twice, since only this parser says where a mistake is.
            _ = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
            return try JSONDecoder().decode(JSONValue.self, from: data)
        } catch {
            let place = (error as NSError).userInfo["NSDebugDescription"] as? String
            throw SimulationFileError(path: "", reason: "is not JSON: \(place ?? "\(error)")")
        }
    }

    private static func pipelines(
        _ members: [String: FileNode], of root: FileNode
    ) throws(SimulationFileError) -> [(name: String, layers: [LayerReader.Maker])] {
        var pipelines: [(name: String, layers: [LayerReader.Maker])] = []
        if let node = members["pipeline"] { pipelines.append(("pipeline", try LayerReader.layers(node))) }
        for item in try members["compare"]?.items(1...10) ?? [] {
            let entry = try item.members(["name", "pipeline"])
            let nameNode = try FileNode.required("name", entry, of: item)
            let name = try nameNode.string()
            guard (1...40).contains(name.count), !pipelines.contains(where: { $0.name == name }) else {
                throw nameNode.error("must be 1 to 40 characters, and no name twice (is \(name))")
            }
            pipelines.append((name, try LayerReader.layers(try .required("pipeline", entry, of: item))))
        }
        guard !pipelines.isEmpty else { throw root.error("must have a pipeline, or pipelines to compare") }
        return pipelines
    }
}
