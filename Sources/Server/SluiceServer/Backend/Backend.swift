// SPDX-License-Identifier: Apache-2.0
public import Hummingbird
public import Logging
public import ServiceLifecycle
public import Sluice
public import SluiceSQL
public import SluiceTelemetry

/// One complete backend, to be mounted beside others in one process: what the executable needs to know of it.
public protocol Backend: Sendable {
    /// Its name: the first part of its paths, settings and tables.
    static var name: String { get }
    /// Its settings, for `sluice config`.
    static var settings: [SettingDescription] { get }
    /// Its part of the database's schema, as an engine wants it written.
    static func migrations(for dialect: SQLDialect) -> [Migration]

    /// Sets it up; its part of the schema is there already.
    init(_ environment: BackendEnvironment) throws

    /// Adds its routes; `routes` begins with the backend's name already.
    func addRoutes(to routes: RouterGroup<RequestScope>)

    /// The paths whose answers depend on nothing but their URL and the database, and so may be kept until that changes.
    var cachedPaths: Set<String> { get }
    /// What runs in the background as long as the server does.
    var jobs: [any Service] { get }
    /// What must be well for it to do its work, the database aside.
    var healthChecks: [HealthCheck] { get }
    /// Gives up what it holds, once nothing of it runs any more.
    func close() async
}

extension Backend {
    /// Nothing.
    public var jobs: [any Service] { [] }
    /// Nothing.
    public var healthChecks: [HealthCheck] { [] }
    /// Nothing.
    public var cachedPaths: Set<String> { [] }
    /// Does nothing.
    public func close() async {}
}

/// What a backend is given to work with.
public struct BackendEnvironment: Sendable {
    /// The configuration.
    public let settings: Settings
    /// The database, its schema up to date.
    public let database: Database
    /// Who is to be told of every call.
    public let observer: any PolicyObserver
    /// For what cannot be thrown.
    public let logger: Logger
    /// The time line of deadlines and waits.
    public let time: any TimeSource

    /// Creates an environment.
    public init(
        settings: Settings, database: Database, observer: any PolicyObserver, logger: Logger,
        time: any TimeSource = SystemTime.shared
    ) {
        self.settings = settings
        self.database = database
        self.observer = observer
        self.logger = logger
        self.time = time
    }
}
