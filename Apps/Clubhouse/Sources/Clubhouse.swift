// SPDX-License-Identifier: Apache-2.0
public import Hummingbird
import SluiceHTTP
public import SluiceSQL
public import SluiceServer

/// Club management: who plays, and how the season stands.
public struct Clubhouse: Backend {
    /// The first part of its paths: `clubhouse`.
    public static let name = "clubhouse"
    /// See ``ClubhouseSettings``.
    public static let settings = ClubhouseSettings.all
    /// See `Migrations.swift`.
    public static func migrations(for dialect: SQLDialect) -> [Migration] { clubhouseMigrations(dialect) }

    /// Brings seasons in.
    public let importer: SeasonImporter
    private let matches: MatchRepository
    private let client: APIClient

    /// Sets the backend up.
    public init(_ environment: BackendEnvironment) throws {
        let settings = environment.settings
        let rules = AddressRules(allowsPrivateAddresses: try settings.value(ServerSettings.allowPrivateAddresses))
        self.client = APIClient(
            "clubhouse.source", configuration: try ClubhouseSettings.client(settings),
            transport: AsyncHTTPClientTransport(rules: rules), time: environment.time, observer: environment.observer)
        self.matches = MatchRepository(database: environment.database)
        self.importer = SeasonImporter(
            matches: self.matches, client: self.client, logger: environment.logger,
            maximumBytes: try settings.value(ClubhouseSettings.maximumBodyBytes))
    }

    /// Seasons, matches, table, imports.
    public func addRoutes(to routes: RouterGroup<RequestScope>) {
        MatchRoutes(matches: self.matches).add(to: routes)
        TableRoutes(matches: self.matches).add(to: routes)
        ImportRoutes(importer: self.importer).add(to: routes)
    }

    /// What is asked most and changes only with an import.
    public var cachedPaths: Set<String> { ["/clubhouse/seasons", "/clubhouse/matches", "/clubhouse/table"] }

    /// Closes the connections to sources.
    public func close() async {
        await self.client.close()
    }
}
