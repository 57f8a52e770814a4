// SPDX-License-Identifier: Apache-2.0

extension Pipeline {
    /// The policies, outermost first.
    public var layers: [any Policy] { self.nest.layers }

    /// The first policy of a type, to look at it or steer it, for example `pipeline.layer(CircuitBreaker.self)?.isolate()`.
    public func layer<Layer: Policy>(_ type: Layer.Type) -> Layer? {
        self.layers.lazy.compactMap { $0 as? Layer }.first
    }

    /// The pipeline's layers with their settings and states.
    public func describe() -> PipelineDescription {
        PipelineDescription(name: self.name, layers: self.layers.map(\.description))
    }

    /// The worst that one call can lead to.
    public var bounds: PipelineBounds { self.nest.bounds(around: .operation) }

    /// What is doubtful about the settings together, a sentence each; nothing for most pipelines.
    public func diagnose() -> [String] { PipelineDiagnosis.findings(in: self.layers) }

    /// Changes settings while calls run, and keeps windows, tokens and queues; all of the changes, or none.
    ///
    /// - Parameter changes: By policy and setting, for example `["retry": ["maximumAttempts": "5"]]`. Where a pipeline has
    ///   several layers of a kind, they are `rateLimit`, `rateLimit.2` and so on, from the outside in.
    /// - Throws: ``InvalidSettingError`` for a name that does not exist or a value out of range.
    public func reconfigure(_ changes: [String: [String: String]]) throws(InvalidSettingError) {
        try LayerChanges(changes, for: self.layers).apply()
    }

    /// Runs `operation` as ``outcome(isIdempotent:_:)`` does and tells in the end what the policies did.
    public func explained<Value, Failure: Error>(
        isIdempotent: Bool? = nil,
        _ operation: (OperationContext) async throws(Failure) -> Value
    ) async -> (outcome: Outcome<Value, Failure>, log: AttemptLog) {
        var context = OperationContext.nested(self.kind, isIdempotent: isIdempotent ?? self.isIdempotent)
        let log = context.beginLog()
        let bound = context
        return (await self.run(bound, operation), log)
    }
}

/// Changes to some layers' settings, made to each and taken back from all if one refuses.
struct LayerChanges {
    private var targets: [(layer: any Policy, name: String, changes: [String: String])] = []

    init(_ changes: [String: [String: String]], for layers: [any Policy]) throws(InvalidSettingError) {
        var named: [String: any Policy] = [:]
        for layer in layers {
            let name = layer.description.name
            let number = 1 + named.keys.count { $0 == name || $0.hasPrefix(name + ".") }
            named[number == 1 ? name : "\(name).\(number)"] = layer
        }
        for (name, values) in changes.sorted(by: { $0.key < $1.key }) {
            guard let layer = named[name] else {
                throw InvalidSettingError(
                    name, "is not a layer of the pipeline; there are \(named.keys.sorted().joined(separator: ", "))")
            }
            self.targets.append((layer, name, values))
        }
    }

    func apply() throws(InvalidSettingError) {
        // Asked first, since taking a change back can cost a policy some of what it remembers.
        for target in self.targets {
            do throws(InvalidSettingError) {
                try (target.layer as? any TunablePolicy)?.check(target.changes)
            } catch {
                throw InvalidSettingError("\(target.name).\(error.name)", error.reason)
            }
        }
        var applied: [(layer: any Policy, before: [String: String])] = []
        for target in self.targets {
            let before = target.layer.description.settings.filter { target.changes[$0.name] != nil }
            do throws(InvalidSettingError) {
                try target.layer.reconfigure(target.changes)
            } catch {
                for (layer, before) in applied.reversed() { try layer.reconfigure(before) }
                throw InvalidSettingError("\(target.name).\(error.name)", error.reason)
            }
            applied.append((target.layer, Dictionary(uniqueKeysWithValues: before.map { ($0.name, $0.value) })))
        }
    }
}
