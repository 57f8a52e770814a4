// SPDX-License-Identifier: Apache-2.0
public import CoreMetrics
public import Logging
public import Sluice
import Synchronization

/// Turns what policies do into log lines and metrics.
///
/// A line carries the event's name as its message and the operation's id, so that `grep` by id shows one request through every
/// layer. Metrics: `sluice_calls_total`, `sluice_call_duration_seconds`, `sluice_policy_events_total`, and for statements
/// `sluice_sql_statements_total` by outcome and `sluice_sql_duration_seconds` by text, of ``maximumStatements`` texts apart; for
/// WebSockets `sluice_websocket_connections`, those that are open, and `sluice_websocket_closures_total` by close code, the codes
/// of applications, 3000 and up, as one.
public final class TelemetryObserver: PolicyObserver {
    private struct Series: Hashable {
        let pipeline: String
        let label: String
    }

    private struct Handles {
        var calls: [Series: Counter] = [:]
        var durations: [String: Timer] = [:]
        var events: [Series: Counter] = [:]
        var statements: [String: Timer] = [:]
        var statementOutcomes: [String: Counter] = [:]
        var connections: [String: Meter] = [:]
        var closures: [Series: Counter] = [:]
    }

    /// How many statements' times are told apart; the others' are one, so that texts put together at run time fill no memory.
    public static let maximumStatements = 500

    private let logger: Logger
    private let metrics: any MetricsFactory
    private let handles = Mutex(Handles())

    /// Creates an observer.
    public init(logger: Logger, metrics: any MetricsFactory) {
        self.logger = logger
        self.metrics = metrics
    }

    /// Counts and logs an event.
    public func record(_ event: PolicyEvent, in context: OperationContext) {
        if event.kind == .pipelineFinished || event.kind == .operationFinished {
            self.callsCounter(context.name, event.outcome ?? "").increment()
            if let duration = event.duration { self.timer(context.name).recordNanoseconds(duration.clampedNanoseconds) }
        } else if event.kind == .statementFinished {
            self.outcomeCounter(event.outcome ?? "").increment()
            if let duration = event.duration {
                self.statementTimer(event.policy).recordNanoseconds(duration.clampedNanoseconds)
            }
        } else {
            self.eventsCounter(context.name, event.name).increment()
            if event.kind == .webSocketConnected { self.connectionsMeter(context.name).increment() }
            if event.kind == .webSocketDisconnected {
                self.connectionsMeter(context.name).decrement()
                self.closuresCounter(context.name, event.outcome ?? "").increment()
            }
        }
        let level = Self.level(event)
        guard self.logger.logLevel <= level else { return }
        var metadata: Logger.Metadata = [
            "operation": "\(context.id)", "pipeline": "\(context.name)", "policy": "\(event.policy)",
            "attempt": "\(context.attempt)",
        ]
        if let outcome = event.outcome { metadata["outcome"] = "\(outcome)" }
        if let duration = event.duration { metadata["durationMilliseconds"] = "\(duration.milliseconds)" }
        self.logger.log(level: level, "\(event.name)", metadata: metadata)
    }

    private static func level(_ event: PolicyEvent) -> Logger.Level {
        switch event.severity {
        case .information: .debug
        case .warning: .warning
        case .error: .error
        }
    }

    private func callsCounter(_ pipeline: String, _ outcome: String) -> Counter {
        self.handles.withLock { handles in
            let series = Series(pipeline: pipeline, label: outcome)
            if let counter = handles.calls[series] { return counter }
            let counter = Counter(
                label: "sluice_calls_total", dimensions: [("pipeline", pipeline), ("outcome", outcome)],
                factory: self.metrics)
            handles.calls[series] = counter
            return counter
        }
    }

    private func eventsCounter(_ pipeline: String, _ event: String) -> Counter {
        self.handles.withLock { handles in
            let series = Series(pipeline: pipeline, label: event)
            if let counter = handles.events[series] { return counter }
            let counter = Counter(
                label: "sluice_policy_events_total", dimensions: [("pipeline", pipeline), ("event", event)],
                factory: self.metrics)
            handles.events[series] = counter
            return counter
        }
    }

    private func outcomeCounter(_ outcome: String) -> Counter {
        self.handles.withLock { handles in
            if let counter = handles.statementOutcomes[outcome] { return counter }
            let counter = Counter(
                label: "sluice_sql_statements_total", dimensions: [("outcome", outcome)], factory: self.metrics)
            handles.statementOutcomes[outcome] = counter
            return counter
        }
    }

    private func statementTimer(_ text: String) -> Timer {
        self.handles.withLock { handles in
            if let timer = handles.statements[text] { return timer }
            let label = handles.statements.count < Self.maximumStatements ? text : "other"
            if let timer = handles.statements[label] { return timer }
            let timer = Timer(
                label: "sluice_sql_duration_seconds", dimensions: [("statement", label)], factory: self.metrics)
            handles.statements[label] = timer
            return timer
        }
    }

    private func connectionsMeter(_ name: String) -> Meter {
        self.handles.withLock { handles in
            if let meter = handles.connections[name] { return meter }
            let meter = Meter(
                label: "sluice_websocket_connections", dimensions: [("pipeline", name)], factory: self.metrics)
            handles.connections[name] = meter
            return meter
        }
    }

    private func closuresCounter(_ name: String, _ code: String) -> Counter {
        // The peer chooses the code, and there are two thousand of an application's own.
        let label = (Int(code) ?? 0) < 3_000 ? code : "application"
        return self.handles.withLock { handles in
            let series = Series(pipeline: name, label: label)
            if let counter = handles.closures[series] { return counter }
            let counter = Counter(
                label: "sluice_websocket_closures_total", dimensions: [("pipeline", name), ("code", label)],
                factory: self.metrics)
            handles.closures[series] = counter
            return counter
        }
    }

    private func timer(_ pipeline: String) -> Timer {
        self.handles.withLock { handles in
            if let timer = handles.durations[pipeline] { return timer }
            let timer = Timer(
                label: "sluice_call_duration_seconds", dimensions: [("pipeline", pipeline)], factory: self.metrics)
            handles.durations[pipeline] = timer
            return timer
        }
    }
}

extension Duration {
    /// Milliseconds, rounded to whole microseconds, for log lines.
    public var milliseconds: Double { (self.inSeconds * 1_000_000).rounded() / 1_000 }
}
