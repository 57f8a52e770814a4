// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import SluiceSQL
import SluiceSQLite
import SluiceServer

/// The command `sluice migrate`.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Look at, apply or undo the backends' changes of the schema.",
        discussion: "`sluice serve` applies what is pending by itself.",
        subcommands: [
            MigrateStatusCommand.self, MigrateUpCommand.self, MigrateDownCommand.self, MigrateResolveCommand.self,
        ],
        defaultSubcommand: MigrateStatusCommand.self)
}

/// What every command of `sluice migrate` takes.
struct MigrateOptions: ParsableArguments {
    @Argument(help: "The backends meant; all of them if none is named.")
    var names: [String] = []

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var options: CommonOptions

    func validate() throws {
        for name in self.names where !backends.contains(where: { $0.name == name }) {
            throw ValidationError(
                "there is no backend \(name); there are: \(backends.map { $0.name }.joined(separator: ", "))")
        }
    }

    /// Does something with each backend's migrations and prints what came of it.
    func run<Outcome: Encodable>(
        _ work: (Database, any Backend.Type) async throws -> [Outcome], line: (Outcome) -> String
    ) async throws {
        let settings = try await self.options.settings()
        let database = try await Database.open(
            try settings.value(ServerSettings.database), drivers: CommonOptions.drivers,
            timeout: .seconds(try settings.value(ServerSettings.databaseTimeout)))
        var outcomes: [(name: String, list: [Outcome])] = []
        do {
            for backend in backends where self.names.isEmpty || self.names.contains(backend.name) {
                outcomes.append((backend.name, try await work(database, backend)))
            }
        } catch {
            await database.close()
            throw error
        }
        await database.close()
        try self.write(outcomes, line)
    }

    private func write<Outcome: Encodable>(
        _ outcomes: [(name: String, list: [Outcome])], _ line: (Outcome) -> String
    ) throws {
        guard self.json else {
            for (name, list) in outcomes {
                if list.isEmpty { print("\(name)  nothing") }
                for outcome in list { print("\(name)  \(line(outcome))") }
            }
            return
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let object = Dictionary(uniqueKeysWithValues: outcomes.map { ($0.name, $0.list) })
        FileHandle.standardOutput.write(try encoder.encode(object) + Data("\n".utf8))
    }
}

/// The command `sluice migrate status`.
struct MigrateStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how far each backend's schema has got; changes nothing.",
        discussion: """
            With --json: {"backend": [{"id": …, "state": "applied" | "pending" | "changed" | "unknown" | "interrupted", \
            "canRevert": …}]}.
            """)

    @OptionGroup var options: MigrateOptions

    func run() async throws {
        try await self.options.run { database, backend in
            try await database.migrationStatus(backend.name, backend.migrations(for: database.dialect))
        } line: { status in
            "\(status.state.rawValue.padding(toLength: 11, withPad: " ", startingAt: 0))  \(status.id)"
        }
    }
}

/// The command `sluice migrate up`.
struct MigrateUpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Apply what is pending, and say what that was.",
        discussion: #"With --json: {"backend": ["id", …]}."#)

    @OptionGroup var options: MigrateOptions

    func run() async throws {
        try await self.options.run { database, backend in
            try await database.migrate(backend.name, backend.migrations(for: database.dialect))
        } line: {
            "applied  \($0)"
        }
    }
}

/// The command `sluice migrate down`.
struct MigrateDownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Undo what was applied last, and say what that was.",
        discussion: #"What a step made is lost. With --json: {"backend": ["id", …]}."#)

    @Option(help: "How many steps of each backend are undone.")
    var steps = 1

    @OptionGroup var options: MigrateOptions

    func validate() throws {
        guard self.steps >= 1 else { throw ValidationError("--steps must be at least 1") }
        guard !self.options.names.isEmpty else {
            throw ValidationError("name the backend whose schema is to be undone")
        }
    }

    func run() async throws {
        try await self.options.run { database, backend in
            try await database.revert(backend.name, backend.migrations(for: database.dialect), steps: self.steps)
        } line: {
            "undone  \($0)"
        }
    }
}
