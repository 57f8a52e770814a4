// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Sluice
import SluiceTelemetry
import SluiceTesting
import Testing

@Suite("Telemetry", .timeLimit(.minutes(5)))
struct TelemetryObserverTests {
    let lines = Locked<[String]>([])
    let metrics = PrometheusRegistry()

    private func logger(_ format: StructuredLogHandler.Format) -> Logger {
        let lines = self.lines
        return Logger(label: "test") { label in
            StructuredLogHandler(label: label, level: .debug, format: format) { line in
                lines.withLock { $0.append(line) }
            }
        }
    }

    @Test("logs and counts what policies do, under the operation's id")
    func records() async throws {
        let observer = TelemetryObserver(logger: self.logger(.json), metrics: self.metrics)
        let pipeline = Pipeline("fetch", observer: observer) {
            Retry(maximumAttempts: 2, backoff: Backoff.constant(.zero))
        }
        let operation = OperationContext(name: "request", id: OperationID("id-1"))
        struct Failure: Error {}
        try await OperationContext.$current.withValue(operation) {
            _ = try? await pipeline { throw Failure() }
            try await pipeline {}
        }
        let text = self.metrics.text()
        #expect(text.contains(#"sluice_calls_total{outcome="failure",pipeline="fetch"} 1"#))
        #expect(text.contains(#"sluice_calls_total{outcome="success",pipeline="fetch"} 1"#))
        #expect(text.contains(#"sluice_policy_events_total{event="attempt.failed",pipeline="fetch"} 2"#))
        #expect(text.contains(#"sluice_call_duration_seconds_count{pipeline="fetch"} 2"#))
        struct Line: Decodable {
            let level: String
            let message: String
            let metadata: [String: String]
        }
        let lines = try self.lines.withLock { $0 }.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        #expect(lines.map(\.message).contains("retry.exhausted"))
        #expect(lines.allSatisfy { $0.metadata["operation"] == "id-1" })
        #expect(lines.first { $0.message == "retry.exhausted" }?.level == "error")
    }

    @Test("counts WebSockets: those open, and those that ended by their codes, an application's own together")
    func webSockets() {
        let observer = TelemetryObserver(logger: self.logger(.json), metrics: self.metrics)
        let context = OperationContext(name: "chat")
        for _ in 0..<5 {
            observer.record(PolicyEvent(.webSocketConnected, policy: "chat", outcome: "server"), in: context)
        }
        for code in ["1000", "1006", "3999", "4001"] {
            observer.record(PolicyEvent(.webSocketDisconnected, policy: "chat", outcome: code), in: context)
        }
        let text = self.metrics.text()
        #expect(text.contains(#"sluice_websocket_connections{pipeline="chat"} 1"#))
        #expect(text.contains(#"sluice_websocket_closures_total{code="1006",pipeline="chat"} 1"#))
        #expect(text.contains(#"sluice_websocket_closures_total{code="application",pipeline="chat"} 2"#))
        #expect(text.contains(#"sluice_policy_events_total{event="webSocket.connected",pipeline="chat"} 5"#))
    }

    @Test("one event is one line, whatever it contains", arguments: StructuredLogHandler.Format.allCases)
    func oneLine(format: StructuredLogHandler.Format) {
        self.logger(format).info("imported\n2026-01-01 forged", metadata: ["name": "a\nb \"c\"\r\nd", "plain": "x"])
        let line = self.lines.withLock { $0[0] }
        #expect(line.hasSuffix("\n"))
        #expect(!line.dropLast().contains { $0.isNewline })
        #expect(line.contains("imported"))
    }
}

@Suite("Health checks", .timeLimit(.minutes(5)))
struct HealthCheckTests {
    @Test("says which check fails, and none of its reasons")
    func report() async {
        struct Secret: Error {}
        let checks = HealthChecks([HealthCheck("good") {}, HealthCheck("bad") { throw Secret() }])
        let report = await checks.report()
        #expect(!report.isHealthy)
        #expect(report.checks == ["good": "ok", "bad": "failing"])
    }

    @Test("a check that hangs is ended")
    func hangs() async {
        let time = VirtualTime()
        let gate = Gate()
        let checks = HealthChecks([HealthCheck("slow") { try await gate.pass() }], timeout: .seconds(2), time: time)
        async let report = checks.report()
        await time.waitForAlarms(1)
        time.advance(by: .seconds(2))
        #expect(await report.checks == ["slow": "timed out"])
        #expect(await report.milliseconds == ["slow": 2_000])
    }
}
