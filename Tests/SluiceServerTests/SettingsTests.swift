// SPDX-License-Identifier: Apache-2.0
import Configuration
import Foundation
import SluiceServer
import Testing

@Suite("Settings")
struct SettingsTests {
    /// Loads settings with a `.env` file and a JSON file of their own.
    private func load(
        arguments: [String: String] = [:], environment: [String: String] = [:], environmentFile: String = "",
        file: String = "{}"
    ) async throws -> Settings {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let paths = [".env", "settings.json"].map { folder.appendingPathComponent($0) }
        try Data(environmentFile.utf8).write(to: paths[0])
        try Data(file.utf8).write(to: paths[1])
        return try await Settings.load(
            arguments: arguments, environment: environment, environmentFile: paths[0].path, file: paths[1].path)
    }

    @Test("nothing said means the defaults")
    func defaults() async throws {
        let settings = try await self.load()
        for description in ServerSettings.all { #expect(try description.entry(in: settings).origin == "default") }
        #expect(try settings.value(ServerSettings.port) == 8_080)
        #expect(try settings.value(ServerSettings.host) == "127.0.0.1")
    }

    @Test("command line wins over environment over .env over file")
    func precedence() async throws {
        let file = #"{"port": 1, "log": {"level": "debug"}, "allowPrivateAddresses": true}"#
        let dotEnv = "SLUICE_PORT=2\n"
        let environment = ["SLUICE_PORT": "3"]
        func port(_ settings: Settings) throws -> Int { try settings.value(ServerSettings.port) }
        #expect(try port(try await self.load(file: file)) == 1)
        #expect(try port(try await self.load(environmentFile: dotEnv, file: file)) == 2)
        #expect(try port(try await self.load(environment: environment, environmentFile: dotEnv, file: file)) == 3)
        let all = try await self.load(
            arguments: ["port": "4"], environment: environment, environmentFile: dotEnv, file: file)
        #expect(try all.lookUp(ServerSettings.port) == (4, "command line"))
        #expect(try all.value(ServerSettings.logLevel) == "debug")
        #expect(try all.value(ServerSettings.allowPrivateAddresses))
    }

    @Test(
        "every key is read from the environment under its upper-case name",
        arguments: [
            ("SLUICE_HOST", "host", "::1"), ("SLUICE_DATABASE", "database", "sqlite:x"),
            ("SLUICE_ALLOW_PRIVATE_ADDRESSES", "allowPrivateAddresses", "true"),
            ("SLUICE_LOG_LEVEL", "log.level", "trace"),
            ("SLUICE_HTTP_MAXIMUM_BODY_BYTES", "http.maximumBodyBytes", "2048"),
            ("SLUICE_GRACE_PERIOD_SECONDS", "gracePeriodSeconds", "7"),
        ])
    func environmentNames(name: String, key: String, value: String) async throws {
        let settings = try await self.load(environment: [name: value])
        let description = try #require(ServerSettings.all.first { $0.key == key })
        let entry = try description.entry(in: settings)
        #expect(entry.value == value)
        #expect(entry.origin == "environment")
    }

    @Test(
        "a wrong value is an error that names the key, its source and the range",
        arguments: [
            ("port", "65536", "0...65535"), ("port", "-1", "0...65535"), ("port", "http", "0...65535"),
            ("log.level", "loud", "trace, debug, info, notice, warning, error, critical"),
            ("log.format", "xml", "text, json"),
            ("allowPrivateAddresses", "perhaps", "true, false"),
            (
                "database", "oracle://h/d",
                "sqlite:PATH, sqlite::memory:, postgres://USER@HOST/NAME or mysql://USER@HOST/NAME"
            ),
            ("host", "", "a host name or address"),
        ])
    func wrong(key: String, value: String, range: String) async throws {
        let settings = try await self.load(arguments: [key: value])
        let description = try #require(ServerSettings.all.first { $0.key == key })
        let expected = ConfigurationError(key: key, origin: "command line", range: range)
        #expect(throws: expected) { try description.entry(in: settings) }
        #expect(expected.description.contains(key) && expected.description.contains(range))
    }

    @Test("a wrong value in a stronger source is not made good by a weaker one")
    func strict() async throws {
        let settings = try await self.load(environment: ["SLUICE_PORT": "x"], file: #"{"port": 1}"#)
        #expect(throws: ConfigurationError.self) { try settings.value(ServerSettings.port) }
        let wrongType = try await self.load(file: #"{"port": "1"}"#)
        #expect(throws: ConfigurationError.self) { try wrongType.value(ServerSettings.port) }
    }

    @Test("a secret is not shown")
    func secret() async throws {
        let setting = Setting("key", default: "", range: "any", isSecret: true, help: "A key.")
        let settings = try await self.load(environment: ["SLUICE_KEY": "hunter2"])
        #expect(try SettingDescription(setting).entry(in: settings).value == "***")
        #expect(try settings.value(setting) == "hunter2")
    }
}
