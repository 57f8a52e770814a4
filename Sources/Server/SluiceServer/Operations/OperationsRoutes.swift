// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SluiceTelemetry

/// What operators ask: is it alive, is it ready, what has it been doing.
struct OperationsRoutes {
    let checks: HealthChecks
    let metrics: PrometheusRegistry
    let database: DatabaseMetrics

    func add(to router: Router<RequestScope>) {
        // Alive means that the process answers: nothing else is asked, or a slow database would get it restarted.
        router.get("health/live") { _, _ in
            Self.json(.ok, #"{"status":"ok"}"#)
        }
        router.get("health/ready") { _, _ in
            let report = await self.checks.report()
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let body = String(decoding: try encoder.encode(report), as: UTF8.self)
            return Self.json(report.isHealthy ? .ok : .serviceUnavailable, body)
        }
        router.get("metrics") { _, _ in
            self.database.update()
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: self.metrics.text())))
        }
    }

    private static func json(_ status: HTTPResponse.Status, _ body: String) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }
}
