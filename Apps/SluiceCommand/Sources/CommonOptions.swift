// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Logging
import SluiceMySQL
import SluicePostgres
import SluiceSQL
import SluiceSQLite
import SluiceServer
import SluiceTelemetry

/// What every command takes.
struct CommonOptions: ParsableArguments {
    /// The engines that a database URL can name.
    static let drivers: [any DatabaseDriver.Type] = [
        SQLiteDriver.self, PostgresDriver.self, MySQLDriver.self,
    ]

    @Option(
        help: "The database's URL: sqlite:PATH, sqlite::memory: postgres://USER@HOST/NAME or mysql://USER@HOST/NAME.")
    var database: String?

    @Flag(help: "Allow loopback and private addresses to be fetched from.")
    var allowPrivateAddresses = false

    @Option(help: "A JSON file with settings; the environment and the command line win over it.")
    var config: String?

    @Option(name: .customLong("set"), help: "Any setting, as KEY=VALUE; `sluice config` lists them. May be repeated.")
    var assignments: [String] = []

    func validate() throws {
        for assignment in self.assignments where !assignment.dropFirst().contains("=") {
            throw ValidationError("--set takes KEY=VALUE, not \(assignment)")
        }
    }

    /// Reads the configuration, with `more` settings from the command line.
    func settings(_ more: [String: String] = [:]) async throws -> Settings {
        var arguments = more
        for assignment in self.assignments {
            let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard allSettings.contains(where: { $0.key == parts[0] }) else {
                throw ConfigurationError(
                    key: String(parts[0]), origin: "--set", range: "one of the keys that `sluice config` lists")
            }
            arguments[String(parts[0])] = String(parts[1])
        }
        if let database { arguments["database"] = database }
        if self.allowPrivateAddresses { arguments["allowPrivateAddresses"] = "true" }
        let environment = ProcessInfo.processInfo.environment
        do {
            return try await Settings.load(
                arguments: arguments, environment: environment, file: self.config ?? environment["SLUICE_CONFIG"])
        } catch {
            throw ConfigurationError(
                key: "config", origin: self.config ?? "the environment", range: "a readable file of JSON settings")
        }
    }

    /// A logger as the settings want it.
    static func logger(_ settings: Settings) throws -> Logger {
        let level = Logger.Level(rawValue: try settings.value(ServerSettings.logLevel)) ?? .info
        let format = StructuredLogHandler.Format(rawValue: try settings.value(ServerSettings.logFormat)) ?? .text
        return Logger(label: "sluice") { StructuredLogHandler(label: $0, level: level, format: format) }
    }
}
