// SPDX-License-Identifier: Apache-2.0
import Configuration
import Foundation
import HTTPTypes
import HummingbirdTesting
import Sluice
import SluiceTesting
import Testing

@testable import Clubhouse

@Suite("Import", .timeLimit(.minutes(5)))
struct ImportTests {
    private let season =
        #"{"name": "S", "matches": [{"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": [1, 0]}}]}"#

    @Test(
        "a season is stored once, however often it comes, and a changed score updates its row",
        arguments: [
            TestingSetup.router, .live,
        ])
    func idempotent(setup: TestingSetup) async throws {
        let text = String(decoding: try sampleSeason(), as: UTF8.self)
        let current = Locked(text)
        try await withClubhouse(setup) { clubhouse in
            try await ScriptedServer.run { connection in
                while try await connection.requestHead() != nil {
                    let text = current.withLock { $0 }
                    try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)")
                }
            } _: { source in
                let url = "http://127.0.0.1:\(source.port)/season.json"
                func summary() async throws -> ImportSummary { try await clubhouse.order(url).decode() }
                let name = "English Premier League 2023/24"
                let first = try await summary()
                #expect(first == ImportSummary(season: name, new: 380, changed: 0, unchanged: 0))
                let second = try await summary()
                #expect(second == ImportSummary(season: name, new: 0, changed: 0, unchanged: 380))
                // Burnley against Manchester City, the season's first match, was 0:3.
                let opening = try #require(text.range(of: "\"ft\""))
                let three = try #require(text.range(of: "3", range: opening.upperBound..<text.endIndex))
                current.withLock { $0 = text.replacingCharacters(in: three, with: "2") }
                let third = try await summary()
                #expect(third == ImportSummary(season: name, new: 0, changed: 1, unchanged: 379))
                let table = try await clubhouse.get("table", ["season": name])
                let rows = try #require(table.json["rows"] as? [[String: Any]])
                #expect(rows[0]["goalsFor"] as? Int == 95)
            }
        }
    }

    @Test("an unchanged source is asked by its ETag and answers without its body")
    func etag() async throws {
        let heads = Locked<[String]>([])
        let season = self.season
        try await withClubhouse { clubhouse in
            try await ScriptedServer.run { connection in
                while let head = try await connection.requestHead() {
                    heads.withLock { $0.append(head.lowercased()) }
                    if head.lowercased().contains("if-none-match: \"v1\"") {
                        try await connection.write("HTTP/1.1 304 Not Modified\r\netag: \"v1\"\r\n\r\n")
                    } else {
                        let fields = "content-length: \(season.utf8.count)\r\netag: \"v1\"\r\n"
                        try await connection.write("HTTP/1.1 200 OK\r\n\(fields)\r\n\(season)")
                    }
                }
            } _: { source in
                let url = "http://127.0.0.1:\(source.port)/s"
                _ = try await clubhouse.order(url)
                let again = try await clubhouse.order(url)
                #expect(
                    try again.decode(ImportSummary.self) == ImportSummary(season: "S", new: 0, changed: 0, unchanged: 1)
                )
                #expect(heads.withLock { $0.map { $0.contains("if-none-match") } } == [false, true])
            }
            // Another source has taken the season over: the first one's version says nothing any more.
            try await serving(season.replacing("[1, 0]", with: "[2, 0]")) { other in
                let changed = try await clubhouse.order("http://127.0.0.1:\(other.port)/s")
                #expect(try changed.decode(ImportSummary.self).changed == 1)
            }
        }
    }

    @Test("a source that has trouble is asked again, no sooner than it says", arguments: [429, 503])
    func retryAfter(status: Int) async throws {
        let season = self.season
        let time = VirtualTime()
        let count = Locked(0)
        try await withClubhouse(time: time) { clubhouse in
            try await ScriptedServer.run { connection in
                while try await connection.requestHead() != nil {
                    let isFirst = count.withLock { count in
                        count += 1
                        return count == 1
                    }
                    let answer =
                        isFirst
                        ? "HTTP/1.1 \(status) Later\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n"
                        : "HTTP/1.1 200 OK\r\ncontent-length: \(season.utf8.count)\r\n\r\n\(season)"
                    try await connection.write(answer)
                }
            } _: { source in
                let order = Task { try await clubhouse.order("http://127.0.0.1:\(source.port)/s") }
                try await clubhouse.waitForMetric(
                    #"sluice_policy_events_total{event="retry.scheduled",pipeline="clubhouse.source"} 1"#)
                await time.waitForAlarms(1)
                time.advance(by: .milliseconds(4_999))
                #expect(time.alarmCount == 1)
                #expect(count.withLock { $0 } == 1)
                time.advance(by: .milliseconds(1))
                let answer = try await order.value
                #expect(answer.status == .ok)
                #expect(count.withLock { $0 } == 2)
            }
        }
    }

    @Test("an unreachable source is a 502 that names the policy that gave up, and when to come back")
    func unreachable() async throws {
        let port = try await ScriptedServer.run { _ in
        } _: {
            $0.port
        }
        try await withClubhouse(settings: ["clubhouse.import.breakerFailures": 5]) { clubhouse in
            let first = try await clubhouse.order("http://127.0.0.1:\(port)/s")
            #expect(first.status == .badGateway)
            #expect(first.problem == "source-unavailable")
            #expect(first.json["policy"] as? String == "retry")
            #expect(first.json["retryAfter"] as? Int == 1)
            #expect(first.fields[.retryAfter] == "1")
            let second = try await clubhouse.order("http://127.0.0.1:\(port)/s")
            #expect(second.json["policy"] as? String == "circuitBreaker")
            #expect((59...60).contains(second.json["retryAfter"] as? Int ?? 0))
            let seasons = try await clubhouse.get("seasons")
            #expect((seasons.json["seasons"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("a source that trickles is ended by the deadline, on time")
    func trickle() async throws {
        let time = VirtualTime()
        let begun = Locked(0)
        try await withClubhouse(time: time) { clubhouse in
            try await ScriptedServer.run { connection in
                guard try await connection.requestHead() != nil else { return }
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{")
                begun.withLock { $0 += 1 }
                try await connection.waitForClose()
            } _: { source in
                let start = time.now
                let order = Task { try await clubhouse.order("http://127.0.0.1:\(source.port)/s") }
                // Two attempts are ended by their timeout of 10 s; the third, by the deadline of 30 s.
                for attempt in 1...3 {
                    while begun.withLock({ $0 }) < attempt { await Task.yield() }
                    time.advance(by: .seconds(10))
                    guard attempt < 3 else { break }
                    let line =
                        #"sluice_policy_events_total{event="retry.scheduled",pipeline="clubhouse.source"} \#(attempt)"#
                    try await clubhouse.waitForMetric(line)
                    await time.waitForAlarms(1)
                    time.advance(by: .milliseconds(5))
                }
                let answer = try await order.value
                #expect(answer.status == .gatewayTimeout)
                #expect(answer.problem == "source-timed-out")
                #expect(answer.json["policy"] as? String == "deadline")
                #expect(answer.json["retryAfter"] as? Int == 30)
                #expect(start.duration(to: time.now) <= .seconds(31))
            }
        }
    }

    @Test(
        "what is wrong with a season is said, and nothing of it is stored",
        arguments: [
            ("{\"name\": \"S\",\n \"matches\": [", "malformed-json", "line", 2),
            (
                #"{"name": "S", "matches": [{"date": "2024-01-01", "team1": "A", "team2": "B"}, {"date": "x", "team1": "A", "team2": "B"}]}"#,
                "invalid-match", "match", 1
            ),
            (
                #"{"name": "S", "matches": [{"date": "2024-01-01", "team1": "A", "team2": "B"}, {"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": [1, -2]}}]}"#,
                "invalid-match", "match", 1
            ),
        ])
    func invalid(text: String, problem: String, member: String, value: Int) async throws {
        try await withClubhouse { clubhouse in
            try await serving(text) { source in
                let answer = try await clubhouse.order("http://127.0.0.1:\(source.port)/s")
                #expect(answer.status == .unprocessableContent)
                #expect(answer.problem == problem)
                #expect(answer.json[member] as? Int == value)
            }
            let seasons = try await clubhouse.get("seasons")
            #expect((seasons.json["seasons"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("too much is refused: the season and the order")
    func tooLarge() async throws {
        let text = self.season + String(repeating: " ", count: 2_000)
        try await withClubhouse(settings: ["clubhouse.import.maximumBodyBytes": 1_024, "http.maximumBodyBytes": 1_024])
        { clubhouse in
            try await serving(text) { source in
                let answer = try await clubhouse.order("http://127.0.0.1:\(source.port)/s")
                #expect(answer.status == .contentTooLarge)
                #expect(answer.problem == "source-too-large")
            }
            let order = try await clubhouse.order("http://example.org/" + String(repeating: "x", count: 2_000))
            #expect(order.status == .contentTooLarge)
            #expect(order.problem == "body-too-large")
        }
    }

    @Test("only public http and https addresses are fetched from, redirects included")
    func serverSideRequestForgery() async throws {
        try await withClubhouse(allowPrivateAddresses: false) { clubhouse in
            for url in [
                "http://127.0.0.1/s", "http://localhost/s", "http://[::1]/s", "http://169.254.169.254/latest/meta-data",
            ] {
                let answer = try await clubhouse.order(url)
                #expect(answer.status == .forbidden)
                #expect(answer.problem == "address-not-allowed")
            }
            for url in ["file:///etc/passwd", "ftp://example.org/s", "gopher://x/", "nonsense"] {
                let answer = try await clubhouse.order(url)
                #expect(answer.status == .unprocessableContent)
                #expect(answer.problem == "url-not-allowed")
            }
        }
        // Redirects leave http and https no more than orders do.
        try await withClubhouse { clubhouse in
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write(
                    "HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n")
            } _: { source in
                let answer = try await clubhouse.order("http://127.0.0.1:\(source.port)/s")
                #expect(answer.problem == "url-not-allowed")
            }
        }
    }

    @Test("a source that refuses is not asked again")
    func refused() async throws {
        let count = Locked(0)
        try await withClubhouse { clubhouse in
            try await ScriptedServer.run { connection in
                while try await connection.requestHead() != nil {
                    count.withLock { $0 += 1 }
                    try await connection.write("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                }
            } _: { source in
                let answer = try await clubhouse.order("http://127.0.0.1:\(source.port)/s")
                #expect(answer.status == .badGateway)
                #expect(answer.problem == "source-refused")
                #expect(answer.json["sourceStatus"] as? Int == 404)
            }
        }
        #expect(count.withLock { $0 } == 1)
    }

    @Test("an order that is none is refused", arguments: ["", "{}", "[]", "not json", #"{"url": 7}"#])
    func badOrder(body: String) async throws {
        try await withClubhouse { clubhouse in
            let answer = try await clubhouse.post("imports", body)
            #expect(answer.status == .unprocessableContent)
            #expect(answer.problem == "invalid-request")
        }
    }
}
