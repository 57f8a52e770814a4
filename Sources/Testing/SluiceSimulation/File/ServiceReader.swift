// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Reads the service and the load of a simulation.
enum ServiceReader {
    static func service(_ node: FileNode) throws(SimulationFileError) -> ServiceModel {
        let members = try node.members(["latency", "errorRate", "capacity", "outages", "honoursCancellation"])
        var outages: [Outage] = []
        for item in try members["outages"]?.items(0...100) ?? [] { outages.append(try self.outage(item)) }
        return ServiceModel(
            latency: try self.latency(try .required("latency", members, of: node)),
            errorRate: try members["errorRate"]?.number(0...1) ?? 0,
            capacity: try self.capacity(members["capacity"]), outages: outages,
            honoursCancellation: try members["honoursCancellation"]?.boolean() ?? false)
    }

    private static func latency(_ node: FileNode) throws(SimulationFileError) -> LatencyDistribution {
        let (name, inner) = try node.onlyMember(of: "one of constant, uniform, lognormal, exponential")
        let distribution: LatencyDistribution
        switch name {
        case "constant": distribution = .constant(try inner.duration())
        case "uniform":
            let (from, to) = try self.pair("from", "to", inner)
            distribution = .uniform(from: from, to: to)
        case "lognormal":
            let (median, p99) = try self.pair("median", "p99", inner)
            distribution = .lognormal(median: median, p99: p99)
        case "exponential":
            let members = try inner.members(["mean"])
            distribution = .exponential(mean: try FileNode.required("mean", members, of: inner).duration())
        default: throw inner.error("is not a distribution; there are constant, uniform, lognormal, exponential")
        }
        if let mistake = distribution.mistake { throw inner.error(mistake) }
        return distribution
    }

    private static func pair(
        _ first: String, _ second: String, _ node: FileNode
    ) throws(SimulationFileError) -> (Duration, Duration) {
        let members = try node.members([first, second])
        return (
            try FileNode.required(first, members, of: node).duration(),
            try FileNode.required(second, members, of: node).duration()
        )
    }

    private static func capacity(_ node: FileNode?) throws(SimulationFileError) -> ServiceModel.Capacity? {
        guard let node else { return nil }
        let members = try node.members(["concurrent", "hardLimit", "refusalWait"])
        let concurrent = try FileNode.required("concurrent", members, of: node).integer(1...1_000_000)
        return ServiceModel.Capacity(
            concurrent: concurrent, hardLimit: try members["hardLimit"]?.integer(concurrent...10_000_000),
            refusalWait: try members["refusalWait"]?.duration() ?? .seconds(1))
    }

    private static func outage(_ node: FileNode) throws(SimulationFileError) -> Outage {
        let members = try node.members(["from", "to", "kind", "factor"])
        let from = try FileNode.required("from", members, of: node).duration()
        let end = try FileNode.required("to", members, of: node)
        let to = try end.duration()
        guard to > from else { throw end.error("must be after \"from\" (\(DurationText.text(from)))") }
        let kindNode = try FileNode.required("kind", members, of: node)
        let kind = try kindNode.string()
        if kind != "slow", let factor = members["factor"] { throw factor.error("belongs to an outage of kind slow") }
        switch kind {
        case "failFast": return Outage(from: from, to: to, .failFast)
        case "hang": return Outage(from: from, to: to, .hang)
        case "slow":
            let factor = try FileNode.required("factor", members, of: node).number(0.001...1_000_000)
            return Outage(from: from, to: to, .slow(factor: factor))
        default: throw kindNode.error("must be one of failFast, hang, slow (is \(kind))")
        }
    }

    // MARK: Load

    static func load(_ node: FileNode) throws(SimulationFileError) -> Load {
        let members = try node.members(["rate", "ramp", "steps", "duration", "arrivals", "idempotent"])
        let duration = try FileNode.required("duration", members, of: node).duration(atLeast: .milliseconds(1))
        let rate = try self.rate(members, of: node)
        if let mistake = Load.mistake(rate, over: duration) { throw node.error(mistake) }
        var arrivals = Load.Arrivals.even
        if let node = members["arrivals"] {
            guard let choice = Load.Arrivals(rawValue: try node.string()) else {
                throw node.error("must be one of " + Load.Arrivals.allCases.map(\.rawValue).joined(separator: ", "))
            }
            arrivals = choice
        }
        return Load(
            rate, for: duration, arrivals: arrivals, isIdempotent: try members["idempotent"]?.boolean() ?? true)
    }

    private static func rate(
        _ members: [String: FileNode], of node: FileNode
    ) throws(SimulationFileError) -> Load.Rate {
        let bounds = 0...1e6
        guard ["rate", "ramp", "steps"].count(where: { members[$0] != nil }) == 1 else {
            throw node.error("must have exactly one of rate, ramp, steps")
        }
        if let ramp = members["ramp"] {
            let ends = try ramp.members(["from", "to"])
            return .ramp(
                from: try FileNode.required("from", ends, of: ramp).number(bounds),
                to: try FileNode.required("to", ends, of: ramp).number(bounds))
        }
        guard let list = members["steps"] else {
            return .constant(try FileNode.required("rate", members, of: node).number(bounds))
        }
        var steps: [Load.Step] = []
        for item in try list.items(1...1_000) {
            let step = try item.members(["from", "rate"])
            steps.append(
                Load.Step(
                    from: try FileNode.required("from", step, of: item).duration(),
                    rate: try FileNode.required("rate", step, of: item).number(bounds)))
        }
        return .steps(steps)
    }
}
