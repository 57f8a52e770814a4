// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceHTTP
import SluiceServer
import Testing

@Suite("Settings of an API client", .timeLimit(.minutes(5)))
struct APIClientSettingsTests {
    private let settings = APIClientSettings(prefix: "weather.api")

    /// Where a value can come from.
    enum Origin: CaseIterable {
        case commandLine, environment, environmentFile, file
    }

    /// One value within its range, and its key in the environment.
    private struct Known {
        let key: String
        let name: String
        let value: String
    }

    private static let known = [
        Known(key: "baseURL", name: "BASE_URL", value: "https://api.example.org/v2"),
        Known(key: "timeoutSeconds", name: "TIMEOUT_SECONDS", value: "31"),
        Known(key: "attemptTimeoutSeconds", name: "ATTEMPT_TIMEOUT_SECONDS", value: "11"),
        Known(key: "maximumAttempts", name: "MAXIMUM_ATTEMPTS", value: "4"),
        Known(key: "retryDelayMilliseconds", name: "RETRY_DELAY_MILLISECONDS", value: "1001"),
        Known(key: "callsPerMinute", name: "CALLS_PER_MINUTE", value: "101"),
        Known(key: "timeToLiveSeconds", name: "TIME_TO_LIVE_SECONDS", value: "3601"),
        Known(key: "connectionsPerHost", name: "CONNECTIONS_PER_HOST", value: "21"),
        Known(key: "connections", name: "CONNECTIONS", value: "99"),
        Known(key: "breakerFailures", name: "BREAKER_FAILURES", value: "6"),
        Known(key: "breakerOpenSeconds", name: "BREAKER_OPEN_SECONDS", value: "61"),
        Known(key: "maximumBodyBytes", name: "MAXIMUM_BODY_BYTES", value: "2048"),
    ]

    /// Loads settings of which one source says something.
    private func load(_ values: [(key: String, name: String, value: String)], from origin: Origin) async throws
        -> Settings
    {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let paths = [".env", "settings.json"].map { folder.appendingPathComponent($0) }
        let environment = values.map { ("SLUICE_WEATHER_API_\($0.name)", $0.value) }
        let object = values.map { "\"\($0.key)\": \(Int($0.value) == nil ? "\"\($0.value)\"" : $0.value)" }
        let file = "{\"weather\": {\"api\": {\(object.joined(separator: ", "))}}}"
        try Data(
            (origin == .environmentFile ? environment.map { "\($0)=\($1)\n" }.joined() : "").utf8
        ).write(to: paths[0])
        try Data((origin == .file ? file : "{}").utf8).write(to: paths[1])
        return try await Settings.load(
            arguments: origin == .commandLine
                ? Dictionary(uniqueKeysWithValues: values.map { ("weather.api.\($0.key)", $0.value) }) : [:],
            environment: origin == .environment ? Dictionary(uniqueKeysWithValues: environment) : [:],
            environmentFile: paths[0].path, file: paths[1].path)
    }

    @Test("nothing said means the documented defaults, which are those of the code as well")
    func defaults() throws {
        let nothing = Settings([])
        let client = try self.settings.configuration(nothing)
        #expect(client.baseURL == nil)
        #expect(client.deadline == .seconds(30))
        #expect(client.maximumAttempts == 3)
        #expect(client.backoff.delay(beforeRetry: 1, fraction: 1) == .seconds(1))
        #expect(client.backoff.delay(beforeRetry: 2, fraction: 1) == .seconds(2))
        #expect(client.callsPerMinute == 100)
        #expect(client.timeToLive == .seconds(3_600))
        #expect(client.breakerFailures == 5 && client.breakerOpenFor == .seconds(60))
        #expect(client == APIClientConfiguration())
        let transport = try self.settings.transport(nothing)
        #expect(transport.maximumConnectionsPerHost == 20 && transport.maximumConnections == 100)
        #expect(transport == HTTPTransportSettings())
    }

    @Test("every key is read from everywhere, and reaches what it is for", arguments: Origin.allCases)
    func read(_ origin: Origin) async throws {
        #expect(Self.known.map { "weather.api.\($0.key)" }.sorted() == self.settings.all.map(\.key).sorted())
        let loaded = try await self.load(Self.known.map { ($0.key, $0.name, $0.value) }, from: origin)
        for description in self.settings.all {
            let entry = try description.entry(in: loaded)
            #expect(entry.origin != "default", "\(entry.key)")
            #expect(Self.known.contains { entry.key == "weather.api.\($0.key)" && entry.value == $0.value })
        }
        let client = try self.settings.configuration(loaded)
        #expect(client.baseURL == "https://api.example.org/v2")
        #expect(client.deadline == .seconds(31) && client.attemptTimeout == .seconds(11))
        #expect(client.maximumAttempts == 4)
        #expect(client.backoff.delay(beforeRetry: 1, fraction: 1) == .milliseconds(1_001))
        #expect(client.callsPerMinute == 101 && client.timeToLive == .seconds(3_601))
        #expect(client.breakerFailures == 6 && client.breakerOpenFor == .seconds(61))
        #expect(client.maximumBodyBytes == 2_048)
        let transport = try self.settings.transport(loaded)
        #expect(transport.maximumConnectionsPerHost == 21 && transport.maximumConnections == 99)
    }

    @Test(
        "a wrong value is refused with its key, where it came from, and the range",
        arguments: [
            ("baseURL", "ftp://x", "an http or https URL, or nothing"), ("baseURL", "http://", "an http or https URL"),
            ("baseURL", "api.example.org", "an http or https URL"),
            ("baseURL", "https://ada:hunter2@example.org", "an http or https URL"),
            ("timeoutSeconds", "0", "1...3600"), ("timeoutSeconds", "3601", "1...3600"),
            ("timeoutSeconds", "soon", "1...3600"), ("attemptTimeoutSeconds", "0", "1...3600"),
            ("maximumAttempts", "0", "1...10"), ("maximumAttempts", "11", "1...10"),
            ("retryDelayMilliseconds", "0", "1...30000"), ("retryDelayMilliseconds", "30001", "1...30000"),
            ("callsPerMinute", "0", "1...6000000"), ("timeToLiveSeconds", "-1", "1...31536000"),
            ("connectionsPerHost", "0", "1...10000"), ("connections", "100001", "1...100000"),
            ("breakerFailures", "0", "1...1000"), ("breakerOpenSeconds", "0", "1...3600"),
            ("maximumBodyBytes", "1023", "1024...1073741824"),
        ])
    func wrong(_ key: String, _ value: String, _ range: String) async throws {
        let loaded = try await self.load([(key, "", value)], from: .commandLine)
        let error = #expect(throws: ConfigurationError.self) {
            _ = try self.settings.configuration(loaded)
            _ = try self.settings.transport(loaded)
        }
        #expect(error?.key == "weather.api.\(key)" && error?.origin == "command line")
        #expect(error?.range.hasPrefix(range) == true)
        #expect(error.map { !"\($0)".contains(value) || value.count < 3 } == true, "a value may be a secret")
    }
}
