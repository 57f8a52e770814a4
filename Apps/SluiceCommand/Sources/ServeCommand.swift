// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Clubhouse
import Foundation
import SluiceSQL
import SluiceServer

/// Every backend there is, by name.
let backends: [any Backend.Type] = [Clubhouse.self]

/// Every setting there is.
let allSettings = ServerSettings.all + backends.flatMap { $0.settings }

/// The command `sluice serve`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the backends over HTTP until SIGTERM or SIGINT.",
        discussion: "Requests under way at the signal may end within gracePeriodSeconds; then it exits with 0.")

    @Argument(help: "The backends to serve; all of them if none is named.")
    var names: [String] = []

    @Option(help: "The address to serve on.")
    var host: String?

    @Option(help: "The port to serve on; 0 takes a free one.")
    var port: String?

    @OptionGroup var options: CommonOptions

    func validate() throws {
        for name in self.names where !backends.contains(where: { $0.name == name }) {
            throw ValidationError(
                "there is no backend \(name); there are: \(backends.map { $0.name }.joined(separator: ", "))")
        }
    }

    func run() async throws {
        var arguments: [String: String] = [:]
        if let host { arguments["host"] = host }
        if let port { arguments["port"] = port }
        let settings = try await self.options.settings(arguments)
        let chosen = self.names.isEmpty ? backends : backends.filter { self.names.contains($0.name) }
        let server = try await Server.build(
            chosen, settings: settings, drivers: CommonOptions.drivers, logger: try CommonOptions.logger(settings))
        let host = try settings.value(ServerSettings.host)
        // Without the password.
        let database = try DatabaseURL(try settings.value(ServerSettings.database)).description
        try await server.run { port in
            Self.printWelcome("http://\(host.contains(":") ? "[\(host)]" : host):\(port)", database)
        }
    }

    private static func printWelcome(_ address: String, _ database: String) {
        let sluice = CommandLine.arguments[0]
        let text = """
            Serving \(address), database \(database). Stop with Ctrl-C.
            Try:
              \(sluice) clubhouse import samples/2023-24-en.1.json --database \(database)
              curl '\(address)/clubhouse/table?season=English%20Premier%20League%202023/24'
              curl '\(address)/clubhouse/matches?team=Arsenal%20FC&limit=5'
              curl \(address)/health/ready \(address)/metrics

            """
        FileHandle.standardOutput.write(Data(text.utf8))
    }
}
