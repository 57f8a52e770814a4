// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

/// The executable `sluice`.
@main
struct SluiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "Backends whose every outgoing call is bounded, retried, cached and measured.",
        subcommands: [
            ServeCommand.self, SimulateCommand.self, ClubhouseCommand.self, MigrateCommand.self, ConfigCommand.self,
            CachedProxyCommand.self,
        ])

    /// Exit codes: 0 done, 64 wrong usage, 65 unusable input, 69 something needed is not available, 78 wrong configuration,
    /// 70 anything else (sysexits.h).
    static func main() async {
        do {
            var command = try Self.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            guard let failure = CommandFailure(error) else { Self.exit(withError: error) }
            FileHandle.standardError.write(Data("sluice: \(failure.message)\n".utf8))
            Foundation.exit(failure.exitCode)
        }
    }
}
