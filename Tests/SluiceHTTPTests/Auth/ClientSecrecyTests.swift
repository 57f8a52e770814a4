// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// What of a client's credentials can be read where they do not belong.
@Suite("Credentials are nowhere to be read", .timeLimit(.minutes(5)))
struct ClientSecrecyTests {
    private static let secrets = ["hunter2", "YWRhOmh1bnRlcjI=", "a1-token", "r1-token"]

    private static func auth(_ way: ClientAuthTests.Way, _ origin: HTTPOrigin) throws -> HTTPAuth {
        switch way {
        case .bearer: return .bearer("hunter2", for: origin)
        case .basic: return .basic(user: "ada", password: "hunter2", for: origin)
        case .keyInField: return .apiKey("hunter2", for: origin)
        case .keyInQuery: return .apiKey("hunter2", query: "key", for: origin)
        case .digest: return .digest(user: "ada", password: "hunter2", for: origin)
        case .oauth2:
            let tokens = ScriptedTransport { _, _ in
                .init(
                    .ok, body: #"{"access_token": "a1-token", "token_type": "bearer", "refresh_token": "r1-token"}"#)
            }
            return .oauth2(try OAuth2SessionTests().session(tokens), for: origin)
        }
    }

    /// Everything of a value that printing, debugging, reflecting or dumping it shows.
    private static func shown(_ value: Any) -> String {
        var text = "\(value) \(String(reflecting: value)) "
        dump(value, to: &text)
        return text
    }

    @Test(
        "not in the client, its errors, replies, events, metrics and hooks, whatever the server does",
        arguments: ClientAuthTests.Way.allCases)
    func nowhere(_ way: ClientAuthTests.Way) async throws {
        let observer = RecordingObserver()
        let texts = Locked<[String]>([])
        try await ScriptedServer.run { connection in
            while let head = try await connection.requestHead() {
                if way == .digest, !head.lowercased().contains("authorization:") {
                    let challenge = ClientAuthTests.challenge[.wwwAuthenticate] ?? ""
                    try await connection.write(
                        "HTTP/1.1 401 No\r\nwww-authenticate: \(challenge)\r\ncontent-length: 0\r\n\r\n")
                    continue
                }
                if head.hasPrefix("GET /lost") { return }
                if head.hasPrefix("GET /garbage") { return try await connection.write("garbage\r\n\r\n") }
                let status = head.hasPrefix("GET /refused") ? 401 : head.hasPrefix("GET /failed") ? 503 : 200
                try await connection.write("HTTP/1.1 \(status) X\r\ncontent-length: 2\r\n\r\nhi")
            }
        } _: { server in
            let address = "http://127.0.0.1:\(server.port)"
            let auth = try Self.auth(way, try HTTPOrigin(address))
            let transport = AsyncHTTPClientTransport.local()
            let hooks = APIClientHooks(
                beforeRequest: { request in
                    let shown = Self.shown(request)
                    texts.withLock { $0.append(shown) }
                },
                afterReply: { request, response, _ in
                    let shown = Self.shown((request, response))
                    texts.withLock { $0.append(shown) }
                })
            let client = APIClient(
                "test",
                configuration: APIClientConfiguration(
                    baseURL: address, maximumAttempts: 2, backoff: .constant(.zero), breakerFailures: 100),
                transport: transport, auth: auth, hooks: hooks, observer: observer)
            for path in ["/fine", "/refused", "/failed", "/lost", "/garbage"] {
                var text: String
                do { text = Self.shown(try await client.get(path)) } catch { text = Self.shown(error) }
                text += Self.shown(client.metrics) + Self.shown(client.hostStates)
                let shown = text
                texts.withLock { $0.append(shown) }
            }
            let shown = Self.shown(client) + Self.shown(auth) + Self.shown(client.configuration)
            texts.withLock { $0.append(shown) }
            await client.close()
        }
        let all = texts.withLock { $0 } + observer.events.map { Self.shown($0) }
        #expect(observer.names.contains("retry.scheduled") && all.count > 12)
        for secret in Self.secrets { #expect(!all.contains { $0.contains(secret) }, "\(secret)") }
    }

    @Test("not in the settings of a transport whose proxy has a password")
    func proxy() {
        let proxy = HTTPProxy(host: "proxy.example", port: 3_128, username: "ada", password: "hunter2")
        let settings = HTTPTransportSettings(proxy: proxy)
        for text in [Self.shown(proxy), Self.shown(settings)] {
            #expect(!text.contains("hunter2") && text.contains("proxy.example"))
        }
    }
}
