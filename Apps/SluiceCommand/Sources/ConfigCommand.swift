// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import SluiceServer

/// The command `sluice config`.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show every setting with its value, where that came from, and what is allowed.",
        discussion: """
            Values come, the strongest first, from the command line, the environment (log.level is SLUICE_LOG_LEVEL), the file \
            .env, the file named by --config or SLUICE_CONFIG, and the defaults.
            """)

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var options: CommonOptions

    func run() async throws {
        let settings = try await self.options.settings()
        let entries = try allSettings.map { description throws in try description.entry(in: settings) }
        if self.json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
            FileHandle.standardOutput.write(try encoder.encode(entries) + Data("\n".utf8))
            return
        }
        let width = entries.map(\.key.count).max() ?? 0
        for entry in entries {
            print(
                "\(entry.key.padding(toLength: width, withPad: " ", startingAt: 0))  \(entry.value)  (\(entry.origin))")
            print("\(String(repeating: " ", count: width))  \(entry.help) Allowed: \(entry.range).")
        }
    }
}
