// SPDX-License-Identifier: Apache-2.0
import Configuration
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import ServiceLifecycle
import Sluice
import SluiceSQL
import SluiceSQLite
import SluiceServer
import SluiceTelemetry
import SluiceTesting
import Testing

/// A backend that counts how often it is asked, and fails when told to.
private struct Counting: Backend {
    static let name = "counting"
    static let settings: [SettingDescription] = []
    static func migrations(for dialect: SQLDialect) -> [Migration] {
        [Migration("001", ["CREATE TABLE counting (i INTEGER)"])]
    }

    @TaskLocal static var asked = Locked(0)
    @TaskLocal static var jobHasBegun = Gate()
    @TaskLocal static var jobHasEnded = Gate()

    let database: Database
    let asked = Self.asked

    init(_ environment: BackendEnvironment) {
        self.database = environment.database
    }

    var cachedPaths: Set<String> { ["/counting/rows"] }
    var jobs: [any Service] { [Job(hasBegun: Self.jobHasBegun, hasEnded: Self.jobHasEnded)] }
    var healthChecks: [HealthCheck] { [HealthCheck("counting") {}] }

    func addRoutes(to routes: RouterGroup<RequestScope>) {
        routes.get("rows") { request, _ in
            self.asked.withLock { $0 += 1 }
            return "\(try await self.database.rows("SELECT i FROM counting").count) \(request.uri.query ?? "")"
        }
        routes.post("rows") { _, _ in
            try await self.database.withTransaction { _ = try await $0.execute("INSERT INTO counting VALUES (1)") }
            return HTTPResponse.Status.created
        }
        routes.get("fail/:how") { _, context -> String in
            switch context.parameters.get("how") {
            case "rejected":
                throw RejectionError(policy: "rateLimit", reason: .rateLimited, retryAfter: .milliseconds(1_500))
            case "timeout": throw TimeoutError(policy: "deadline", limit: .seconds(1))
            case "sql": throw SQLError(.statement, message: "no such table: secrets")
            case "busy": throw SQLError(.busy, message: "locked")
            default: throw CancellationError()
            }
        }
        routes.post("echo") { request, context in
            try await request.body.collect(upTo: context.maxUploadSize)
        }
    }
}

/// Runs until the server shuts down, and says so at both ends.
private struct Job: Service {
    let hasBegun: Gate
    let hasEnded: Gate

    @concurrent
    func run() async throws {
        self.hasBegun.open()
        try await gracefulShutdown()
        self.hasEnded.open()
    }
}

@Suite("Server", .timeLimit(.minutes(5)))
struct ServerTests {
    let time = VirtualTime()
    let lines = Locked<[String]>([])

    /// Builds a server on a database in memory and tests it in process.
    private func withServer(
        _ values: [AbsoluteConfigKey: ConfigValue] = [:], _ setup: TestingSetup = .router,
        _ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        let defaults: [AbsoluteConfigKey: ConfigValue] = ["database": "sqlite::memory:"]
        let settings = Settings([
            .init("test", InMemoryProvider(values: defaults.merging(values) { _, new in new }))
        ])
        let lines = self.lines
        let logger = Logger(label: "test") { label in
            StructuredLogHandler(label: label, level: .debug, format: .text) { line in
                lines.withLock { $0.append(line) }
            }
        }
        let server = try await Server.build(
            [Counting.self], settings: settings, drivers: [SQLiteDriver.self], logger: logger, time: self.time)
        try await server.application().test(setup, body)
        await server.close()
    }

    @Test("answers from the cache until the data changes")
    func cache() async throws {
        let asked = Locked(0)
        try await Counting.$asked.withValue(asked) {
            try await self.withServer { client in
                func get(_ query: String = "") async throws -> String {
                    try await client.execute(uri: "/counting/rows\(query)", method: .get) { String(buffer: $0.body) }
                }
                var answers = [try await get(), try await get(), try await get("?a=1"), try await get("?a=1")]
                #expect(answers == ["0 ", "0 ", "0 a=1", "0 a=1"])
                #expect(asked.withLock { $0 } == 2)
                try await client.execute(uri: "/counting/rows", method: .post) { #expect($0.status == .created) }
                answers = [try await get(), try await get()]
                #expect(answers == ["1 ", "1 "])
                #expect(asked.withLock { $0 } == 3)
            }
        }
    }

    @Test("a client that has the answer already gets 304")
    func notModified() async throws {
        try await self.withServer { client in
            let etag = try await client.execute(uri: "/counting/rows", method: .get) { $0.headers[.eTag] }
            let known = try #require(etag)
            try await client.execute(uri: "/counting/rows", method: .get, headers: [.ifNoneMatch: known]) { response in
                #expect(response.status == .notModified)
                #expect(response.body.readableBytes == 0)
                #expect(response.headers[.eTag] == known)
            }
            try await client.execute(uri: "/counting/rows", method: .post)
            try await client.execute(uri: "/counting/rows", method: .get, headers: [.ifNoneMatch: known]) { response in
                #expect(response.status == .ok)
            }
        }
    }

    @Test(
        "errors are problems with a stable type, and give nothing away",
        arguments: [
            ("/counting/fail/rejected", 503, "overloaded", "2"), ("/counting/fail/timeout", 504, "timed-out", nil),
            ("/counting/fail/sql", 500, "internal", nil), ("/counting/fail/busy", 503, "overloaded", "1"),
            ("/counting/fail/cancelled", 503, "shutting-down", "1"), ("/nowhere", 404, "not-found", nil),
            ("/counting/nowhere", 404, "not-found", nil),
        ] as [(String, Int, String, String?)])
    func problems(path: String, status: Int, type: String, retryAfter: String?) async throws {
        try await self.withServer { client in
            try await client.execute(uri: path, method: .get) { response in
                let body = String(buffer: response.body)
                #expect(response.status.code == status)
                #expect(response.headers[.contentType] == "application/problem+json")
                #expect(response.headers[.retryAfter] == retryAfter)
                #expect(body.contains("\"type\":\"urn:problem-type:sluice:\(type)\""))
                #expect(!body.contains("secrets"))
            }
        }
    }

    @Test("a body over the limit is refused")
    func bodyLimit() async throws {
        try await self.withServer(["http.maximumBodyBytes": 1_024]) { client in
            func post(_ count: Int) async throws -> HTTPResponse.Status {
                try await client.execute(
                    uri: "/counting/echo", method: .post, body: ByteBuffer(repeating: 0x61, count: count)
                ) { $0.status }
            }
            let statuses = [try await post(1_024), try await post(1_025)]
            #expect(statuses == [.ok, .contentTooLarge])
        }
    }

    @Test("the client's request id is the operation's, in every layer's log lines; an invalid one is not taken over")
    func operationID() async throws {
        try await self.withServer { client in
            let name = try #require(HTTPField.Name("x-request-id"))
            try await client.execute(uri: "/counting/rows", method: .get, headers: [name: "abc-1"]) { response in
                #expect(response.headers[name] == "abc-1")
            }
            try await client.execute(uri: "/counting/rows", method: .get, headers: [name: "a b"]) { response in
                #expect(response.headers[name]?.count == 13)
            }
        }
        let lines = self.lines.withLock { $0 }.filter { $0.contains("operation=abc-1") }
        #expect(lines.contains { $0.contains("pipeline=database.statement") })
        #expect(lines.contains { $0.contains(" debug request ") })
    }

    @Test("says that it is alive and whether it is ready, and what it did")
    func operations() async throws {
        try await self.withServer { client in
            try await client.execute(uri: "/health/live", method: .get) {
                #expect(String(buffer: $0.body) == #"{"status":"ok"}"#)
            }
            try await client.execute(uri: "/health/ready", method: .get) { response in
                let body = Data(response.body.readableBytesView)
                let report = try JSONDecoder().decode(HealthChecks.Report.self, from: body)
                #expect(report.isHealthy && report.checks == ["counting": "ok", "database": "ok"])
                #expect(Set(report.milliseconds.keys) == ["counting", "database"])
            }
            try await client.execute(uri: "/metrics", method: .get) { response in
                #expect(response.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
                let text = String(buffer: response.body)
                #expect(
                    text.contains(#"sluice_http_requests_total{method="GET",route="/health/ready",status="200"} 1"#))
                #expect(text.contains(#"sluice_sql_connections{state="lent"} 0"#))
                #expect(text.contains("sluice_sql_waiting 0"))
            }
        }
    }

    @Test("a backend's jobs run as long as the server, and end with it")
    func jobs() async throws {
        let (hasBegun, hasEnded) = (Gate(), Gate())
        try await Counting.$jobHasBegun.withValue(hasBegun) {
            try await Counting.$jobHasEnded.withValue(hasEnded) {
                try await self.withServer(["port": 0], .live) { _ in try await hasBegun.pass() }
            }
        }
        try await hasEnded.pass()
    }

    @Test("a wrong setting stops the start before anything is opened")
    func wrongSetting() async {
        await #expect(throws: ConfigurationError.self) { try await self.withServer(["http.cacheBytes": -1]) { _ in } }
    }
}
