// SPDX-License-Identifier: Apache-2.0
public import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import ServiceLifecycle
public import Sluice
public import SluiceSQL
public import SluiceTelemetry
import UnixSignals

/// Backends, the database and the operators' routes as one HTTP server.
///
/// ```swift
/// let server = try await Server.build([Clubhouse.self], settings: settings, drivers: [SQLiteDriver.self], logger: logger)
/// try await server.run()
/// ```
public struct Server: Sendable {
    /// Every metric of the process.
    public let metrics: PrometheusRegistry
    private let responder: any HTTPResponder<RequestScope>
    private let backends: [any Backend]
    private let database: Database
    private let settings: Settings
    private let logger: Logger

    /// Opens the database, brings its schema up to date, and sets up the backends.
    ///
    /// - Parameters:
    ///   - types: The backends to mount, each under its name.
    ///   - settings: The configuration.
    ///   - drivers: The engines the database may be of.
    ///   - logger: For everything that is logged.
    ///   - time: The time line of deadlines and waits.
    /// - Throws: ``ConfigurationError`` for a value that is not allowed; `SQLError` if the database cannot be used.
    public static func build(
        _ types: [any Backend.Type], settings: Settings, drivers: [any DatabaseDriver.Type], logger: Logger,
        time: any TimeSource = SystemTime.shared
    ) async throws -> Server {
        // Every value is checked before anything is opened, so a wrong one stops the start and nothing else happens.
        for description in ServerSettings.all + types.flatMap({ $0.settings }) {
            _ = try description.entry(in: settings)
        }
        let metrics = PrometheusRegistry(help: Self.help)
        let observer = TelemetryObserver(logger: logger, metrics: metrics)
        let database = try await Database.open(
            try settings.value(ServerSettings.database), drivers: drivers,
            timeout: .seconds(try settings.value(ServerSettings.databaseTimeout)), time: time, observer: observer)
        do {
            let environment = BackendEnvironment(
                settings: settings, database: database, observer: observer, logger: logger, time: time)
            var backends: [any Backend] = []
            for type in types {
                let applied = try await database.migrate(type.name, type.migrations(for: database.dialect))
                if !applied.isEmpty {
                    logger.info("schema updated", metadata: ["backend": "\(type.name)", "migrations": "\(applied)"])
                }
                backends.append(try type.init(environment))
            }
            return try Server(
                metrics: metrics, backends: backends, database: database, settings: settings, logger: logger, time: time
            )
        } catch {
            await database.close()
            throw error
        }
    }

    private init(
        metrics: PrometheusRegistry, backends: [any Backend], database: Database, settings: Settings, logger: Logger,
        time: any TimeSource
    ) throws {
        self.metrics = metrics
        self.backends = backends
        self.database = database
        self.settings = settings
        self.logger = logger
        let router = Router(context: RequestScope.self)
        router.add(middleware: ProblemMiddleware())
        let database = database
        let checks = [HealthCheck("database") { try await database.ping() }] + backends.flatMap { $0.healthChecks }
        OperationsRoutes(checks: HealthChecks(checks, time: time), metrics: metrics).add(to: router)
        for backend in backends { backend.addRoutes(to: router.group(RouterPath(type(of: backend).name))) }
        let bodyLimit = Duration.seconds(try settings.value(ServerSettings.bodyTimeout))
        let bodyTimeout = Pipeline("http.body", time: time) { Deadline(bodyLimit) }
        let cacheBytes = try settings.value(ServerSettings.cacheBytes)
        var lanes = ThreadLane.Sizes(blocking: try settings.value(ServerSettings.blockingThreads))
        let cores = try settings.value(ServerSettings.cpuThreads)
        if cores > 0 { lanes.cpu = cores }
        ThreadLane.configureShared(lanes)
        let paths = backends.reduce(into: Set<String>()) { $0.formUnion($1.cachedPaths) }
        self.responder = OperationResponder(
            inner: router.buildResponder(),
            cache: cacheBytes > 0 ? ResponseCache(maximumBytes: cacheBytes, paths: paths, database: database) : nil,
            metrics: RequestMetrics(factory: metrics),
            maximumBodyBytes: try settings.value(ServerSettings.maximumBodyBytes), bodyTimeout: bodyTimeout, time: time)
    }

    /// The server as a Hummingbird application, for ``run(onServing:)`` and for tests.
    ///
    /// - Parameter onServing: Called with the port once connections are accepted.
    public func application(
        onServing: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) throws -> some ApplicationProtocol {
        var logger = self.logger
        logger[metadataKey: "part"] = "http"
        return Application(
            responder: AnyResponder(base: self.responder),
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: ApplicationConfiguration(
                address: .hostname(
                    try self.settings.value(ServerSettings.host), port: try self.settings.value(ServerSettings.port)),
                availableConnectionsDelegate: MaximumAvailableConnections(
                    try self.settings.value(ServerSettings.maximumConnections))),
            services: self.backends.flatMap { $0.jobs },
            onServerRunning: { channel in await onServing(channel.localAddress?.port ?? 0) },
            logger: logger)
    }

    /// Serves until SIGTERM or SIGINT, then lets requests under way end, closes everything, and returns.
    ///
    /// Requests still running when the grace period is over are cancelled.
    public func run(onServing: @escaping @Sendable (_ port: Int) async -> Void = { _ in }) async throws {
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: try self.application(onServing: onServing))],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: self.logger)
        configuration.maximumGracefulShutdownDuration = .seconds(try self.settings.value(ServerSettings.gracePeriod))
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            await self.close()
            throw error
        }
        await self.close()
    }

    /// Closes the backends and the database.
    public func close() async {
        for backend in self.backends { await backend.close() }
        await self.database.close()
    }

    private static let help = [
        "sluice_http_requests_total": "Requests answered, by method, route and status.",
        "sluice_http_request_duration_seconds": "Time from a request's head to its answer, by route.",
        "sluice_calls_total": "Calls through a pipeline, by how they ended.",
        "sluice_call_duration_seconds": "Time a call through a pipeline took, its retries and waits included.",
        "sluice_policy_events_total": "What policies did, by pipeline and event.",
    ]
}

/// A responder whose type is known only at run time.
struct AnyResponder: HTTPResponder {
    let base: any HTTPResponder<RequestScope>

    func respond(to request: Request, context: RequestScope) async throws -> Response {
        try await self.base.respond(to: request, context: context)
    }
}
