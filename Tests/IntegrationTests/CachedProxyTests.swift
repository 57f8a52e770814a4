// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceTesting
import Testing

@Suite("sluice cached-proxy", .timeLimit(.minutes(5)))
struct CachedProxyTests {
    /// One request script of `Tests/Peers/cache-cases.json`.
    struct Case: Decodable {
        struct Difference: Decodable {
            let outcome: [String]
            /// Why that is so, and which of the two RFC 9111 wants.
            let why: String
        }

        let name: String
        let outcome: [String]
        let differs: [String: Difference]?
    }

    private static let peers = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Peers").standardized

    /// Runs a program to its end and returns what it wrote.
    private func output(_ program: String, _ arguments: [String], in folder: URL) async throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        // A file and not a pipe, whose other end may be inherited by whatever else is started meanwhile.
        let file = folder.appendingPathComponent("output")
        try Data().write(to: file)
        process.standardOutput = try FileHandle(forWritingTo: file)
        let (exit, end) = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { end.yield($0.terminationStatus) }
        try process.run()
        let status = await withTaskCancellationHandler {
            await exit.first { _ in true }
        } onCancel: {
            process.terminate()
        }
        #expect(status == 0)
        return try Data(contentsOf: file)
    }

    @Test("does with each script of requests what hishel and Squid do, save where the table says why not")
    func differential() async throws {
        let python = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_PEERS"], "run make test, or set SLUICE_TEST_PEERS")
        let cases = try JSONDecoder().decode(
            [Case].self, from: Data(contentsOf: Self.peers.appendingPathComponent("cache-cases.json")))
        let output = try await withFolder { folder in
            try await self.output(
                "\(python)/bin/python",
                [Self.peers.appendingPathComponent("caches.py").path, Sluice.executable.path, "/usr/sbin/squid"],
                in: folder)
        }
        let results = try JSONDecoder().decode([String: [String: [String]]].self, from: output)
        #expect(cases.count >= 50)
        for entry in cases {
            let result = try #require(results[entry.name])
            #expect(Set(result.keys) == ["sluice", "sluice, SQLite", "hishel", "squid"])
            for (cache, outcome) in result {
                #expect(outcome == entry.differs?[cache]?.outcome ?? entry.outcome, "\(cache): \(entry.name)")
            }
            // A difference that is none any more has no place in the table.
            for (cache, difference) in entry.differs ?? [:] {
                #expect(difference.outcome != entry.outcome && !difference.why.isEmpty, "\(cache): \(entry.name)")
            }
        }
    }

    @Test(
        "says what is wrong with its arguments, and exits with 64",
        arguments: [
            ["ftp://example.org"], ["http://example.org/path"], ["nonsense"], [],
            ["http://example.org", "--store", "redis:x"], ["http://example.org", "--port", "70000"],
            ["http://example.org", "--maximum-bytes", "0"],
        ])
    func wrongArguments(_ arguments: [String]) async throws {
        try await withFolder { folder in
            let result = try await Sluice.run(["cached-proxy"] + arguments, in: folder)
            #expect(result.status == 64)
            #expect(!result.errors.isEmpty)
        }
    }

    @Test("serves until it is told to stop, answers 504 for an origin that is not there, and then exits with 0")
    func served() async throws {
        try await withFolder { folder in
            let proxy = try Sluice(
                ["cached-proxy", "http://127.0.0.1:1", "--port", "0", "--store", "sqlite:cache.db"], in: folder)
            let url = try await proxy.waitForAddress()
            let (status, body) = try await fetch(url)
            #expect(status == 504)
            #expect(body.contains("unreachable"))
            // A second one cannot have the same port.
            let port = String(url.split(separator: ":").last ?? "")
            let second = try await Sluice.run(
                ["cached-proxy", "http://127.0.0.1:1", "--port", port], in: folder)
            #expect(second.status == 69)
            #expect(second.errors.contains("--port"))
            proxy.signal(SIGTERM)
            #expect(try await proxy.waitForExit().status == 0)
        }
    }
}
