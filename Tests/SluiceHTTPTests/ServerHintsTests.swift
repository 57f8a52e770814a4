// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("What servers ask for", .timeLimit(.minutes(5)))
struct ServerHintsTests {
    private func fields(_ pairs: [(String, String)]) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in pairs {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return fields
    }

    @Test(
        "Retry-After is seconds or a date in any of three forms, at most a day",
        arguments: [
            ("120", 120), ("0", 0), ("99999999999999999999", 86_400), ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 37), ("Sun Nov  6 08:49:37 1994", 37),
            ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
            ("soon", nil), ("-1", nil), ("1.5", nil), ("", nil),
        ] as [(String, Int?)])
    func retryAfter(value: String, seconds: Int?) {
        #expect(ServerHints.retryAfter(value, now: 784_111_740) == seconds.map { .seconds($0) })
    }

    @Test(
        "the dialects of rate-limit fields say when there is room again, once there is none left",
        arguments: [
            ([("RateLimit", "\"default\";r=0;t=30")], 30), ([("RateLimit", "\"a\";r=5;t=9, \"b\";r=0;t=40")], 40),
            ([("RateLimit", "\"default\";r=3;t=30")], nil), ([("RateLimit", "limit=100, remaining=0, reset=12")], 12),
            ([("RateLimit-Remaining", "0"), ("RateLimit-Reset", "7")], 7),
            ([("RateLimit-Remaining", "1"), ("RateLimit-Reset", "7")], nil),
            ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1760000060")], 60),
            ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1760000060000")], 60),
            ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "45")], 45),
            ([("X-RateLimit-Remaining", "0")], nil), ([], nil),
        ] as [([(String, String)], Int?)])
    func dialects(pairs: [(String, String)], seconds: Int?) {
        #expect(ServerHints.exhausted(self.fields(pairs), now: 1_760_000_000) == seconds.map { .seconds($0) })
    }

    @Test("a good answer that says nothing is left holds the next call back for so long")
    func pause() async throws {
        let time = VirtualTime()
        let transport = ScriptedTransport { _, _ in
            .init(.ok, fields: self.fields([("RateLimit-Remaining", "0"), ("RateLimit-Reset", "20")]))
        }
        let client = APIClient("test", transport: transport, time: time)
        _ = try await client.get("https://example.org/")
        let task = Task { try await client.get("https://example.org/") }
        await time.waitForAlarms(1)
        time.advance(by: .milliseconds(19_999))
        #expect(transport.requests.count == 1)
        time.advance(by: .milliseconds(1))
        _ = try await task.value
        #expect(transport.requests.count == 2)
    }

    @Test("a reply 429 is waited out by its rate-limit fields when it has no Retry-After")
    func tooMany() async throws {
        let time = VirtualTime()
        let transport = ScriptedTransport { _, number in
            number == 1
                ? .init(.tooManyRequests, fields: self.fields([("RateLimit", "\"a\";r=0;t=5")])) : .init(.ok)
        }
        let client = APIClient(
            "test", configuration: APIClientConfiguration(backoff: .constant(.zero)), transport: transport, time: time)
        let task = Task { try await client.get("https://example.org/") }
        await time.waitForAlarms(1)
        #expect(transport.requests.count == 1)
        time.advance(by: .seconds(5))
        #expect(try await task.value.attempts == 2)
    }
}
