// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import SluiceSQL
import SluiceServer

/// The command `sluice migrate resolve`.
struct MigrateResolveCommand: AsyncParsableCommand {
    /// What has become of the migration.
    enum State: String, EnumerableFlag {
        case applied, undone

        static func help(for value: State) -> ArgumentHelp? {
            switch value {
            case .applied: "The schema is now as the migration would have left it."
            case .undone: "The schema is now as it was before; the migration is applied anew."
            }
        }
    }

    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract:
            "Say what has become of a migration that stopped in the middle, once the schema was put right by hand.",
        discussion: """
            Only MySQL and MariaDB can stop in the middle; `sluice migrate status` shows it as interrupted. With --json: \
            {"backend": ["id"]}.
            """)

    @Option(help: "The migration's id.")
    var id: String

    @Flag var state: State

    @OptionGroup var options: MigrateOptions

    func validate() throws {
        guard self.options.names.count == 1 else { throw ValidationError("name the one backend that is meant") }
    }

    func run() async throws {
        try await self.options.run { database, backend in
            let migrations = backend.migrations(for: database.dialect)
            guard let migration = migrations.first(where: { $0.id == self.id }) else {
                let known = migrations.map(\.id).joined(separator: ", ")
                throw ValidationError("\(backend.name) has no migration \(self.id); there are: \(known)")
            }
            try await database.resolveMigration(backend.name, migration, isApplied: self.state == .applied)
            return [migration.id]
        } line: {
            "\(self.state.rawValue)  \($0)"
        }
    }
}
