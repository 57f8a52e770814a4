// SPDX-License-Identifier: Apache-2.0

/// A policy's name and settings, as text.
public struct PolicyDescription: Sendable, Hashable, CustomStringConvertible {
    /// One setting.
    public struct Setting: Sendable, Hashable {
        /// The setting's name.
        public let name: String
        /// Its value, as configuration would write it.
        public let value: String
    }

    /// The policy's name, for example `retry`.
    public let name: String
    /// Its settings, in the order a reader would want them.
    public let settings: [Setting]
    /// What it remembers at this moment, for example `open`; nil for a policy that remembers nothing.
    public let state: String?

    /// Describes a policy.
    public init(_ name: String, settings: [(name: String, value: String)] = [], state: String? = nil) {
        self.name = name
        self.settings = settings.map { Setting(name: $0.name, value: $0.value) }
        self.state = state
    }

    /// One line: the name, each setting, and the state.
    public var description: String {
        ([self.name] + self.settings.map { "\($0.name)=\($0.value)" } + (self.state.map { ["[\($0)]"] } ?? []))
            .joined(separator: " ")
    }
}

/// A pipeline's name and layers, as text.
public struct PipelineDescription: Sendable, Hashable, CustomStringConvertible {
    /// The pipeline's name.
    public let name: String
    /// Its layers, outermost first.
    public let layers: [PolicyDescription]

    /// One line for the name and one for each layer, further in the deeper it is.
    public var description: String {
        let lines = self.layers.enumerated().map { String(repeating: "  ", count: $0 + 1) + "\($1)" }
        return ([self.name] + lines).joined(separator: "\n")
    }
}
