// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("Redirects and cookies", .timeLimit(.minutes(5)))
struct RedirectTests {
    let time = VirtualTime()

    @Test(
        "change the method as browsers do, and the body with it",
        arguments: [
            (301, HTTPRequest.Method.post, HTTPRequest.Method.get), (302, .post, .get), (303, .post, .get),
            (303, .put, .get),
            (303, .head, .head), (301, .put, .put), (307, .post, .post), (308, .post, .post), (308, .delete, .delete),
        ])
    func methods(status: Int, method: HTTPRequest.Method, expected: HTTPRequest.Method) async throws {
        let transport = ScriptedTransport { _, number in
            number == 1 ? .init(.init(code: status), fields: [.location: "/b"]) : .init(.ok)
        }
        let client = APIClient("test", transport: transport, time: self.time)
        _ = try await client.send(APIRequest(method, "https://example.org/a", content: .text("body")))
        let keeps = expected == method && expected != .head
        #expect(transport.requests.map(\.method) == [method, expected])
        let hasBody = keeps || method == .head
        #expect((transport.bodies[1] != nil) == hasBody)
        #expect((transport.requests[1].headerFields[.contentType] != nil) == hasBody)
    }

    @Test("do not ask a stream for a body it no longer has")
    func oneShot() async throws {
        let transport = ScriptedTransport { _, _ in .init(.temporaryRedirect, fields: [.location: "/b"]) }
        let client = APIClient("test", transport: transport, time: self.time)
        let body = HTTPBody.stream(once: AsyncThrowingStream<ByteBuffer, any Error> { $0.finish() })
        let error = await #expect(throws: APIClientError.self) {
            try await client.post("https://example.org/a", HTTPContent(body, type: nil))
        }
        #expect(error?.kind == .bodyNotReplayable)
        #expect(transport.requests.count == 1)
    }

    private struct Token: HTTPMiddleware {
        func intercept(
            _ request: HTTPRequest, body: HTTPBody?,
            next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
        ) async throws -> HTTPTransportResponse {
            var request = request
            request.headerFields[.authorization] = "Bearer t"
            return try await next(request, body)
        }
    }

    @Test("credentials go to the base URL's origin alone, however another one is reached")
    func credentials() async throws {
        let transport = ScriptedTransport { request, _ in
            request.path == "/away" ? .init(.found, fields: [.location: "https://other.org/b"]) : .init(.ok)
        }
        let key = HTTPField.Name("X-Own-Key")!
        let settings = APIClientConfiguration(
            baseURL: "https://example.org", fields: [key: "k"], credentialFields: [key])
        let client = APIClient("test", configuration: settings, transport: transport, auth: Token(), time: self.time)
        for url in ["/away", "https://other.org/c", "https://example.org:443/d", "http://example.org/e"] {
            _ = try await client.get(url)
        }
        let sent = transport.requests
        #expect(sent.map { $0.headerFields[.authorization] } == ["Bearer t", nil, nil, "Bearer t", nil])
        #expect(sent.map { $0.headerFields[key] } == ["k", nil, nil, "k", nil])
    }

    @Test("cookies set on the way go where they belong, and nowhere else")
    func cookies() async throws {
        let transport = ScriptedTransport { request, _ in
            switch request.path {
            case "/login":
                var fields: HTTPFields = [.location: "/home"]
                fields.append(HTTPField(name: .setCookie, value: "sid=1; Path=/; Secure; HttpOnly"))
                fields.append(HTTPField(name: .setCookie, value: "deep=2; Path=/home/deep"))
                return .init(.found, fields: fields)
            default: return .init(.ok)
            }
        }
        let jar = CookieJar()
        let client = APIClient("test", transport: transport, cookies: jar, time: self.time)
        _ = try await client.get("https://example.org/login")
        _ = try await client.get("https://example.org/home/deep/x")
        _ = try await client.get("http://example.org/home")
        _ = try await client.get("https://other.org/home")
        #expect(
            transport.requests.map { $0.headerFields[.cookie] } == [nil, "sid=1", "deep=2; sid=1", nil, nil])
        #expect(jar.all.map(\.name) == ["sid", "deep"])
    }

    private func cookie(_ field: String, host: String = "a.example.org", path: String = "/x/y", secure: Bool = true)
        -> HTTPCookie?
    {
        HTTPCookie(field, host: host, path: path, isSecure: secure, now: 1_000)
    }

    @Test(
        "a cookie that its sender may not set is ignored",
        arguments: [
            "", "novalue", "=x", "a=1; Domain=other.org", "a=1; Domain=org", "a=1; Domain=b.example.org",
            "__Host-a=1; Secure; Path=/x", "__Host-a=1; Secure; Path=/; Domain=example.org", "__Secure-a=1", "a=\u{1}",
        ])
    func refused(field: String) {
        #expect(self.cookie(field) == nil)
    }

    @Test("a cookie says where it belongs and when it ends")
    func attributes() throws {
        let plain = try #require(self.cookie("a = b c ; whatever"))
        #expect([plain.name, plain.value, plain.path] == ["a", "b c", "/x"] && plain.isHostOnly)
        #expect(plain.expires == nil)
        let wide = try #require(
            self.cookie("a=1; domain=.Example.org; path=/; max-age=5; expires=Wed, 21 Oct 2065 07:28:00 GMT"))
        #expect([wide.domain, wide.path] == ["example.org", "/"] && !wide.isHostOnly && wide.expires == 1_005)
        #expect(wide.matches(host: "b.example.org", path: "/z", isSecure: false))
        #expect(!wide.matches(host: "badexample.org", path: "/z", isSecure: false))
        #expect(!plain.matches(host: "a.example.org", path: "/xy", isSecure: true))
        #expect(plain.matches(host: "a.example.org", path: "/x/z", isSecure: true))
        #expect(self.cookie("a=1; secure", secure: false) == nil)
        #expect(self.cookie("a=1; max-age=0")?.expires == Int64.min)
        #expect(self.cookie("a=1; expires=Wed, 09 Jun 2021 10:18:14 GMT")?.expires == 1_623_233_894)
        #expect(self.cookie("a=1; expires=Wednesday, 09-Jun-21 10:18:14 GMT")?.expires == 1_623_233_894)
        #expect(self.cookie("a=1; expires=31 Feb 2021 10:18:14")?.expires == nil)
        #expect(self.cookie("a=1; domain=127.0.0.1", host: "127.0.0.1")?.isHostOnly == true)
    }

    @Test("a jar is bounded, for a domain and in all")
    func bounds() throws {
        let jar = CookieJar(now: { WallTime(milliseconds: 0) })
        let target = try HTTPTarget("https://example.org/")
        for number in 0..<60 {
            var head = HTTPResponse(status: .ok)
            head.headerFields[.setCookie] = "c\(number)=1"
            jar.take(head, from: target)
        }
        #expect(jar.all.count == CookieJar.maximumPerDomain)
        #expect(jar.all.first?.name == "c10")
        for host in 0..<70 {
            for number in 0..<50 {
                var head = HTTPResponse(status: .ok)
                head.headerFields[.setCookie] = "c\(number)=1"
                jar.take(head, from: try HTTPTarget("https://h\(host).example.com/"))
            }
        }
        #expect(jar.all.count == CookieJar.maximumCount)
    }
}
