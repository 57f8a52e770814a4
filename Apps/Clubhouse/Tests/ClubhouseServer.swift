// SPDX-License-Identifier: Apache-2.0
import Configuration
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Sluice
import SluiceSQLite
import SluiceServer
import SluiceTesting
import Testing

@testable import Clubhouse

/// The season the project ships.
func sampleSeason() throws -> Data {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..")
        .standardized
    return try Data(contentsOf: root.appendingPathComponent("samples/2023-24-en.1.json"))
}

/// Runs Clubhouse on a database file of its own.
func withClubhouse(
    _ setup: TestingSetup = .router, time: any TimeSource = SystemTime.shared, allowPrivateAddresses: Bool = true,
    settings values: [AbsoluteConfigKey: ConfigValue] = [:],
    _ body: @escaping @Sendable (ClubhouseClient) async throws -> Void
) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let base: [AbsoluteConfigKey: ConfigValue] = [
        "database": .init(.string("sqlite:\(folder.path)/test.db"), isSecret: false), "port": 0,
        "allowPrivateAddresses": .init(.bool(allowPrivateAddresses), isSecret: false),
        "clubhouse.import.initialDelayMilliseconds": 1,
    ]
    let settings = Settings([.init("test", InMemoryProvider(values: base.merging(values) { _, new in new }))])
    let server = try await Server.build(
        [Clubhouse.self], settings: settings, drivers: [SQLiteDriver.self],
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, time: time)
    do {
        try await server.application().test(setup) { try await body(ClubhouseClient(client: $0)) }
    } catch {
        await server.close()
        throw error
    }
    await server.close()
}

/// Asks Clubhouse and reads its answers.
struct ClubhouseClient: Sendable {
    let client: any TestClientProtocol

    struct Answer: Sendable {
        let status: HTTPResponse.Status
        let fields: HTTPFields
        let body: Data

        var json: [String: Any] { (try? JSONSerialization.jsonObject(with: self.body)) as? [String: Any] ?? [:] }

        /// The last part of a problem's type, if the answer is one.
        var problem: String? {
            guard self.fields[.contentType] == "application/problem+json" else { return nil }
            return (self.json["type"] as? String)?.split(separator: ":").last.map(String.init)
        }

        func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            try JSONDecoder().decode(type, from: self.body)
        }
    }

    func get(_ path: String, _ query: [String: String] = [:]) async throws -> Answer {
        var components = URLComponents()
        components.path = "/clubhouse/\(path)"
        if !query.isEmpty {
            components.queryItems = query.sorted { $0.key < $1.key }.map { URLQueryItem(name: $0.key, value: $0.value) }
        }
        return try await self.execute(components.string ?? "", .get, nil)
    }

    func post(_ path: String, _ body: String) async throws -> Answer {
        try await self.execute("/clubhouse/\(path)", .post, ByteBuffer(string: body))
    }

    /// Orders an import from a URL.
    func order(_ url: String) async throws -> Answer {
        try await self.post("imports", #"{"url": "\#(url)"}"#)
    }

    /// Returns once the server's metrics have this line.
    func waitForMetric(_ line: String) async throws {
        while true {
            let answer = try await self.execute("/metrics", .get, nil)
            if String(decoding: answer.body, as: UTF8.self).contains(line) { return }
            await Task.yield()
        }
    }

    private func execute(_ uri: String, _ method: HTTPRequest.Method, _ body: ByteBuffer?) async throws -> Answer {
        try await self.client.execute(uri: uri, method: method, body: body) {
            Answer(status: $0.status, fields: $0.headers, body: Data($0.body.readableBytesView))
        }
    }
}

/// Serves one text over HTTP to every request, for imports.
func serving<Value: Sendable>(
    _ text: String, fields: String = "", _ body: @Sendable (ScriptedServer) async throws -> Value
) async throws -> Value {
    try await ScriptedServer.run { connection in
        while try await connection.requestHead() != nil {
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: \(text.utf8.count)\r\n\(fields)\r\n\(text)")
        }
    } _: {
        try await body($0)
    }
}
