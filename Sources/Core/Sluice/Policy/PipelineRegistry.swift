// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Every pipeline of a process by name, to be looked at and steered while it runs.
///
/// ```swift
/// try PipelineRegistry.shared.add(payments)
/// PipelineRegistry.shared["payments"]?.layer(CircuitBreaker.self)?.isolate()
/// try PipelineRegistry.shared["payments"]?.reconfigure(["retry": ["maximumAttempts": "5"]])
/// ```
public final class PipelineRegistry: Sendable {
    /// How many pipelines one registry keeps at most; one for each key belongs into ``KeyedPipelines``.
    public static let capacity = 10_000

    /// The process's registry.
    public static let shared = PipelineRegistry()

    private let pipelines = Mutex<[String: Pipeline<AnyPolicy>]>([:])

    /// Creates an empty registry.
    public init() {}

    /// Adds a pipeline under its name.
    ///
    /// - Throws: ``InvalidSettingError`` if there is one of that name already, or too many.
    public func add<Layers: Policy>(_ pipeline: Pipeline<Layers>) throws(InvalidSettingError) {
        let refused = self.pipelines.withLock { pipelines -> String? in
            if pipelines[pipeline.name] != nil { return "is the name of another pipeline already" }
            guard pipelines.count < Self.capacity else {
                return "is one pipeline too many; \(Self.capacity) can be added"
            }
            pipelines[pipeline.name] = pipeline.erased()
            return nil
        }
        if let refused { throw InvalidSettingError(pipeline.name, refused) }
    }

    /// Removes a pipeline; calls through it go on.
    public func remove(_ name: String) {
        let removed = self.pipelines.withLock { $0.removeValue(forKey: name) }
        _ = removed
    }

    /// The pipeline of a name, with the memory of the one that was added.
    public subscript(name: String) -> Pipeline<AnyPolicy>? {
        self.pipelines.withLock { $0[name] }
    }

    /// Every pipeline, by name.
    public var all: [Pipeline<AnyPolicy>] {
        self.pipelines.withLock { $0.values.sorted { $0.name < $1.name } }
    }
}
