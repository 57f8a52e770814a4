// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOPosix
import SluiceSimulation
import SluiceTesting
import Testing

@Suite("The command", .timeLimit(.minutes(5)))
struct CommandTests {
    private let table = "/clubhouse/table?season=English%20Premier%20League%202023/24"

    @Test("imports a file, once, and says what it did")
    func importFile() async throws {
        try await withFolder { folder in
            let arguments = [
                "clubhouse", "import", "\(Sluice.samples)/2023-24-en.1.json", "--database", "sqlite:a/b/club.db",
            ]
            let first = try await Sluice.run(arguments, in: folder)
            #expect(first.status == 0)
            #expect(
                first.output == #"{"changed":0,"new":380,"season":"English Premier League 2023/24","unchanged":0}"#
                    + "\n")
            let second = try await Sluice.run(arguments, in: folder)
            #expect(
                second.output == #"{"changed":0,"new":0,"season":"English Premier League 2023/24","unchanged":380}"#
                    + "\n")
        }
    }

    @Test("shows, applies and undoes changes of the schema")
    func migrate() async throws {
        try await withFolder { folder in
            func run(_ arguments: String...) async throws -> String {
                let result = try await Sluice.run(
                    ["migrate"] + arguments + ["--json", "--database", "sqlite:club.db"], in: folder)
                #expect(result.status == 0, "\(result.errors)")
                return result.output
            }
            func status(_ state: String) -> String {
                #"{"clubhouse":[{"canRevert":true,"id":"001-seasons-and-matches","state":"\#(state)"}]}"# + "\n"
            }
            #expect(try await run("status") == status("pending"))
            #expect(try await run("up", "clubhouse") == #"{"clubhouse":["001-seasons-and-matches"]}"# + "\n")
            #expect(try await run("up") == #"{"clubhouse":[]}"# + "\n")
            #expect(try await run("status") == status("applied"))
            #expect(try await run("down", "clubhouse") == #"{"clubhouse":["001-seasons-and-matches"]}"# + "\n")
            #expect(try await run("status") == status("pending"))
            let all = try await Sluice.run(["migrate", "down", "--database", "sqlite:club.db"], in: folder)
            #expect(all.status == 64)
        }
    }

    @Test("an import beside a running server shows in its answers")
    func importBesideServer() async throws {
        try await withServer { address, folder, _ in
            let before = try await fetch(address + self.table)
            #expect(before.status == 404)
            let arguments = ["clubhouse", "import", "\(Sluice.samples)/2023-24-en.1.json"]
            let result = try await Sluice.run(arguments, in: folder, environment: ["SLUICE_DATABASE": "sqlite:club.db"])
            #expect(result.status == 0)
            // Another process's commit shows within 50 ms; until then the answer may be the old one.
            var after = try await fetch(address + self.table)
            while after.status == 404 { after = try await fetch(address + self.table) }
            #expect(after.body.contains(#""points":91,"team":"Manchester City FC","won":28"#))
        }
    }

    @Test("imports a URL through the same policies, with private addresses only if allowed")
    func importURL() async throws {
        let season = #"{"name": "S", "matches": [{"date": "2024-01-01", "team1": "A", "team2": "B"}]}"#
        try await withFolder { folder in
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: \(season.utf8.count)\r\n\r\n\(season)")
                try await connection.waitForClose()
            } _: { source in
                let arguments = [
                    "clubhouse", "import", "http://127.0.0.1:\(source.port)/s", "--database", "sqlite:club.db",
                ]
                let refused = try await Sluice.run(arguments, in: folder)
                #expect(refused.status == 65)
                #expect(refused.errors.contains("private"))
                let allowed = try await Sluice.run(
                    arguments, in: folder, environment: ["SLUICE_ALLOW_PRIVATE_ADDRESSES": "true"])
                #expect(allowed.status == 0, "\(allowed.errors)")
                #expect(allowed.output.contains(#""new":1"#))
            }
        }
    }

    @Test(
        "what cannot be used is one line on standard error, and an exit code that says which kind",
        arguments: [
            (["clubhouse", "import", "missing.json"], 65, "missing.json"),
            (["clubhouse", "import", "bad.json", "--database", "sqlite::memory:"], 65, "line 1, column 2"),
            (["simulate", "missing.json"], 65, "missing.json"), (["simulate", "bad.json"], 65, "is not JSON"),
            (["serve", "--port", "x"], 78, "port"), (["serve", "--set", "log.level=loud"], 78, "trace, debug, info"),
            (["serve", "--database", "oracle://h/d"], 78, "sqlite:PATH"), (["serve", "nothing"], 64, "clubhouse"),
            (["serve", "--config", "missing.json"], 78, "config"), (["serve", "--set", "x"], 64, "KEY=VALUE"),
            (["serve", "--set", "htp.cacheBytes=0"], 78, "htp.cacheBytes"),
        ] as [([String], Int32, String)])
    func failures(arguments: [String], status: Int32, mentioned: String) async throws {
        try await withFolder { folder in
            try Data("not json".utf8).write(to: folder.appendingPathComponent("bad.json"))
            let result = try await Sluice.run(arguments, in: folder)
            #expect(result.status == status, "\(result.errors)")
            #expect(result.errors.contains(mentioned), "\(result.errors)")
            #expect(result.output.isEmpty)
        }
    }

    @Test("a port in use is said, with what to do")
    func portInUse() async throws {
        try await ScriptedServer.run { _ in
        } _: { taken in
            try await withFolder { folder in
                let arguments = ["serve", "--port", "\(taken.port)", "--database", "sqlite::memory:"]
                let result = try await Sluice.run(arguments, in: folder)
                #expect(result.status == 69)
                #expect(result.errors.contains("--port"))
            }
        }
    }

    @Test("config shows every key with its value and where that came from")
    func config() async throws {
        try await withFolder { folder in
            try Data("SLUICE_PORT=9001\n".utf8).write(to: folder.appendingPathComponent(".env"))
            try Data(#"{"port": 1, "clubhouse": {"import": {"maximumAttempts": 7}}}"#.utf8)
                .write(to: folder.appendingPathComponent("settings.json"))
            let result = try await Sluice.run(
                ["config", "--json", "--config", "settings.json", "--set", "log.level=debug"], in: folder,
                environment: ["SLUICE_HOST": "::1", "SLUICE_DATABASE": "postgres://u:geheim@h/d?sslmode=require"])
            #expect(result.status == 0)
            #expect(!result.output.contains("geheim"))
            struct Entry: Decodable {
                let key: String
                let value: String
                let origin: String
            }
            let entries = try JSONDecoder().decode([Entry].self, from: Data(result.output.utf8))
            func origin(_ key: String) -> String {
                entries.first { $0.key == key }.map { "\($0.value) \($0.origin)" } ?? ""
            }
            #expect(origin("log.level") == "debug command line")
            #expect(origin("host") == "::1 environment")
            #expect(origin("database") == "postgres://u@h/d environment")
            #expect(origin("port") == "9001 .env")
            #expect(origin("clubhouse.import.maximumAttempts") == "7 settings.json")
            #expect(origin("gracePeriodSeconds") == "20 default")
        }
    }

    @Test("simulates a file, alike each time, and draws it")
    func simulate() async throws {
        try await withFolder { folder in
            let arguments = [
                "simulate", "\(Sluice.samples)/simulations/outage-retry-budget.json", "--seed", "7", "--json",
            ]
            let first = try await Sluice.run(arguments + ["--svg", "timeline.svg"], in: folder)
            #expect(first.status == 0, "\(first.errors)")
            #expect(first.errors.isEmpty)
            let comparison = try JSONDecoder().decode(SimulationComparison.self, from: Data(first.output.utf8))
            #expect(comparison.reports.map(\.seed) == [7, 7, 7])
            // The same calls met the same service, so each report differs by its policies only.
            #expect(Set(comparison.reports.map(\.calls)).count == 1)
            let amplification = comparison.reports.compactMap(\.outageAmplification)
            #expect(amplification == amplification.sorted(by: >))
            let svg = try String(contentsOf: folder.appendingPathComponent("timeline.svg"), encoding: .utf8)
            #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
            let second = try await Sluice.run(arguments, in: folder)
            #expect(second.output == first.output)
        }
    }

    @Test("SIGTERM lets a request under way end, and exits with 0")
    func drains() async throws {
        let asked = Gate()
        let answer = Gate()
        let season = #"{"name": "S", "matches": [{"date": "2024-01-01", "team1": "A", "team2": "B"}]}"#
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            asked.open()
            try await answer.pass()
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: \(season.utf8.count)\r\n\r\n\(season)")
            try await connection.waitForClose()
        } _: { source in
            try await withServer(["--allow-private-addresses", "--set", "log.level=debug"]) { address, _, server in
                let order = Task {
                    try await fetch(
                        address + "/clubhouse/imports", method: "POST",
                        body: #"{"url": "http://127.0.0.1:\#(source.port)/s"}"#)
                }
                try await asked.pass()
                server.signal(SIGTERM)
                try await server.waitForLog("Cascading shutdown to services")
                answer.open()
                let reply = try await order.value
                #expect(reply.status == 200)
                #expect(reply.body.contains(#""new":1"#))
            }
        }
    }

    @Test("the grace period ends a request that never would")
    func graceEnds() async throws {
        let asked = Gate()
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            asked.open()
            try await connection.waitForClose()
        } _: { source in
            try await withServer(["--allow-private-addresses", "--set", "gracePeriodSeconds=1"]) { address, _, server in
                let order = Task {
                    try? await fetch(
                        address + "/clubhouse/imports", method: "POST",
                        body: #"{"url": "http://127.0.0.1:\#(source.port)/s"}"#)
                }
                try await asked.pass()
                server.signal(SIGTERM)
                let reply = await order.value
                #expect(reply?.status != 200)
            }
        }
    }

    @Test("a request whose body does not arrive is ended on time")
    func slowBody() async throws {
        try await withServer(["--set", "http.bodyTimeoutSeconds=1"]) { address, _, _ in
            let port = try #require(address.split(separator: ":").last.flatMap { Int($0) })
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(host: "127.0.0.1", port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            let head = try await channel.executeThenClose { inbound, outbound in
                let request = "POST /clubhouse/imports HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
                try await outbound.write(ByteBuffer(string: request))
                var answer = ""
                for try await part in inbound {
                    answer += String(buffer: part)
                    if answer.contains("slow-request") { break }
                }
                return answer
            }
            #expect(head.hasPrefix("HTTP/1.1 408"))
        }
    }

    @Test("promtool accepts the metrics")
    func promtool() async throws {
        let path = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_PROMTOOL"],
            "SLUICE_TEST_PROMTOOL is not set; run make test")
        try await withServer { address, _, _ in
            for path in ["/clubhouse/seasons", "/clubhouse/seasons", "/clubhouse/table", "/nowhere", "/health/ready"] {
                _ = try await fetch(address + path)
            }
            let metrics = try await fetch(address + "/metrics")
            #expect(
                metrics.body.contains(
                    #"sluice_http_requests_total{method="GET",route="/clubhouse/seasons",status="200"} 2"#))
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments = ["check", "metrics"]
            let (input, output) = (Pipe(), Pipe())
            (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
            try process.run()
            input.fileHandleForWriting.write(Data(metrics.body.utf8))
            try input.fileHandleForWriting.close()
            let findings = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(findings)")
            #expect(findings.isEmpty)
        }
    }

    @Test("logs are one JSON object a line, and one operation's id is in every layer's", arguments: ["json"])
    func logs(format: String) async throws {
        try await withFolder { folder in
            let arguments = [
                "clubhouse", "import", "\(Sluice.samples)/2023-24-en.1.json", "--database", "sqlite:club.db",
            ]
            let result = try await Sluice.run(
                arguments + ["--set", "log.format=\(format)", "--set", "log.level=debug"], in: folder)
            struct Line: Decodable {
                let message: String
                let metadata: [String: String]
            }
            let lines = try result.errors.split(separator: "\n").map {
                try JSONDecoder().decode(Line.self, from: Data($0.utf8))
            }
            #expect(lines.contains { $0.metadata["pipeline"] == "database.transaction" })
            #expect(lines.contains { $0.message == "season imported" })
            #expect(Set(lines.compactMap { $0.metadata["operation"] }).count == 1)
        }
    }
}
