// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Reads the layers of a pipeline, each by its policy's own settings.
///
/// Beside the settings there is what the policies' initialisers take: the `budget` of a retry and of a hedge, and whether a rate
/// limit `obeysHints`. A setting that is not named is what the policy's initialiser makes of those that are.
enum LayerReader {
    typealias Maker = @Sendable (Randomness) -> any Policy

    private static let names = [
        Deadline.policyName, Timeout.policyName, Retry.policyName, Hedge.policyName, CircuitBreaker.policyName,
        RateLimit.policyName, ConcurrencyLimit.policyName, Chaos.policyName,
    ]

    /// Reads the layers of one pipeline, outermost first.
    static func layers(_ node: FileNode) throws(SimulationFileError) -> [Maker] {
        var makers: [Maker] = []
        for item in try node.items(0...20) { makers.append(try self.layer(item)) }
        let mistakes = PipelineOrder.mistakes(in: makers.map { $0(Randomness(seed: 0)) })
        guard mistakes.isEmpty else { throw node.error(mistakes.joined(separator: "; ")) }
        return makers
    }

    private static func layer(_ item: FileNode) throws(SimulationFileError) -> Maker {
        let choices = "one of \(self.names.joined(separator: ", "))"
        let (name, node) = try item.onlyMember(of: choices)
        switch name {
        case Deadline.policyName:
            let settings = try self.settings(TimeLimitSettings(Defaults.timeout), node)
            return { _ in Deadline(settings.limit) }
        case Timeout.policyName:
            let settings = try self.settings(TimeLimitSettings(Defaults.timeout), node)
            return { _ in Timeout(settings.limit) }
        case Retry.policyName: return try self.retry(node)
        case Hedge.policyName:
            let settings = try self.settings(Hedge.Settings(), node, beside: ["budget"])
            let budget = try self.budget(node)
            return { _ in Hedge(settings, budget: budget()) }
        case CircuitBreaker.policyName:
            let settings = try self.settings(CircuitBreakerSettings(), node, ["maximumOpenFor": { $0["openFor"] }])
            return { _ in CircuitBreaker(settings) }
        case RateLimit.policyName:
            let settings = try self.settings(
                RateLimitSettings(), node, ["burst": { $0["count"] }], beside: ["obeysHints"])
            let obeysHints = try node.members()["obeysHints"]?.boolean() ?? false
            return { _ in RateLimit(settings, obeysHints: obeysHints) }
        case ConcurrencyLimit.policyName:
            let settings = try self.settings(ConcurrencyLimitSettings(), node, ["initial": self.initialLimit])
            return { _ in ConcurrencyLimit(settings) }
        case Chaos.policyName:
            let settings = try self.settings(Chaos.Settings(), node)
            return { Chaos(settings, randomness: $0) { _ in true } }
        default:
            throw node.error("is not a layer; there are \(self.names.joined(separator: ", "))")
        }
    }

    private static func retry(_ node: FileNode) throws(SimulationFileError) -> Maker {
        let settings = try self.settings(Retry.Settings(), node, beside: ["budget"])
        let budget = try self.budget(node)
        return { randomness in
            let retry = Retry(
                maximumAttempts: settings.maximumAttempts, backoff: settings.backoff, budget: budget(),
                randomness: randomness)
            // The initialiser does not take the longest hint.
            do { try retry.update(settings) } catch { preconditionFailure("settings were checked: \(error)") }
            return retry
        }
    }

    /// Reads the settings of one policy.
    ///
    /// - Parameters:
    ///   - dependent: For settings that follow from others, as in the policy's initialiser, what they are if they are not named.
    ///   - others: Names that are no settings.
    private static func settings<Settings: PolicySettings>(
        _ defaults: Settings, _ node: FileNode, _ dependent: [String: ([String: String]) -> String?] = [:],
        beside others: [String] = []
    ) throws(SimulationFileError) -> Settings {
        let names = Settings.keys.map(\.name)
        var texts: [String: String] = [:]
        for (name, member) in try node.members(names + others) where !others.contains(name) {
            texts[name] = try member.text()
        }
        let given = texts
        for (name, rule) in dependent where given[name] == nil { texts[name] = rule(given) }
        do throws(InvalidSettingError) {
            return try defaults.applying(texts)
        } catch {
            throw SimulationFileError(path: "\(node.path).\(error.name)", reason: error.reason)
        }
    }

    /// Where an adaptive limit starts if nobody says.
    private static func initialLimit(_ texts: [String: String]) -> String? {
        let defaults = ConcurrencyLimitSettings()
        let maximum = texts["maximum"].flatMap { Int($0) } ?? defaults.maximum
        let minimum = texts["minimum"].flatMap { Int($0) } ?? defaults.minimum
        guard maximum >= 1, minimum >= 1 else { return nil }
        return String(ConcurrencyLimitSettings(maximum: maximum, minimum: minimum).initial)
    }

    /// The budget of a retry or a hedge: the default one, `"none"`, or one with a `ratio` and a `minimumPerSecond`.
    private static func budget(_ node: FileNode) throws(SimulationFileError) -> @Sendable () -> RetryBudget? {
        guard let budget = try node.members()["budget"] else { return { RetryBudget() } }
        if case .string(let text) = budget.value {
            guard text == "none" else {
                throw budget.error("must be \"none\" or {\"ratio\": …, \"minimumPerSecond\": …} (is \(text))")
            }
            return { nil }
        }
        let members = try budget.members(["ratio", "minimumPerSecond"])
        let ratio = try members["ratio"]?.number(0...1_000) ?? 0.2
        let minimum = try members["minimumPerSecond"]?.number(0...1e6) ?? 10
        return { RetryBudget(ratio: ratio, minimumPerSecond: minimum) }
    }
}
