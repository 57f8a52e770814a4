// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Clubhouse
import Foundation
import Logging
import Sluice
import SluiceSQL
import SluiceServer
import SluiceTelemetry

/// The command `sluice clubhouse`.
struct ClubhouseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clubhouse", abstract: "Club management.", subcommands: [ImportCommand.self])
}

/// The command `sluice clubhouse import`.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Load a season in the football.json format.",
        discussion: """
            Prints {"season": …, "new": n, "changed": n, "unchanged": n}. Importing a season again changes only what differs; \
            if anything in it is wrong, nothing is stored.
            """)

    @Argument(help: "A file, or an http or https URL.")
    var source: String

    @OptionGroup var options: CommonOptions

    func run() async throws {
        let settings = try await self.options.settings()
        for description in allSettings { _ = try description.entry(in: settings) }
        // One operation, so that one id is in every line the import logs.
        let summary = try await OperationContext.$current.withValue(OperationContext(name: "import")) {
            try await self.importSeason(settings)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        FileHandle.standardOutput.write(try encoder.encode(summary) + Data("\n".utf8))
    }

    private func importSeason(_ settings: Settings) async throws -> ImportSummary {
        let logger = try CommonOptions.logger(settings)
        let observer = TelemetryObserver(logger: logger, metrics: PrometheusRegistry())
        let database = try await Database.open(
            try settings.value(ServerSettings.database), drivers: CommonOptions.drivers,
            timeout: .seconds(try settings.value(ServerSettings.databaseTimeout)), observer: observer)
        do {
            let summary = try await self.importSeason(settings, database, observer, logger)
            await database.close()
            return summary
        } catch {
            await database.close()
            throw error
        }
    }

    private func importSeason(
        _ settings: Settings, _ database: Database, _ observer: TelemetryObserver, _ logger: Logger
    ) async throws -> ImportSummary {
        try await database.migrate(Clubhouse.name, Clubhouse.migrations(for: database.dialect))
        let clubhouse = try Clubhouse(
            BackendEnvironment(settings: settings, database: database, observer: observer, logger: logger))
        do {
            let summary = try await self.importSeason(clubhouse.importer)
            await clubhouse.close()
            return summary
        } catch {
            await clubhouse.close()
            throw error
        }
    }

    private func importSeason(_ importer: SeasonImporter) async throws -> ImportSummary {
        if self.source.contains("://") { return try await importer.importSeason(at: self.source) }
        guard let data = FileManager.default.contents(atPath: self.source) else {
            throw InputError(description: "the file \(self.source) cannot be read")
        }
        return try await importer.importSeason(data)
    }
}
