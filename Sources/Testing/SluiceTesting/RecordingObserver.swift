// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

/// Remembers every event, to be asserted on.
public final class RecordingObserver: PolicyObserver {
    private let recorded = Mutex<[PolicyEvent]>([])

    /// Has recorded nothing yet.
    public init() {}

    /// The events so far, in order.
    public var events: [PolicyEvent] { self.recorded.withLock { $0 } }
    /// Their names, in order.
    public var names: [String] { self.events.map(\.name) }

    /// Remembers an event.
    public func record(_ event: PolicyEvent, in context: OperationContext) {
        self.recorded.withLock { $0.append(event) }
    }
}
