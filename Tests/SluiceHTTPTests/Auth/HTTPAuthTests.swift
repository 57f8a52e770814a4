// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import SluiceTesting
import Testing

@Suite("Authentication")
struct HTTPAuthTests {
    /// The request as it leaves.
    static func sent(
        _ auth: HTTPAuth, _ url: (scheme: String, authority: String, path: String) = ("https", "api.example.org", "/a"),
        fields: HTTPFields = [:]
    ) async throws -> HTTPRequest {
        let seen = Locked<HTTPRequest?>(nil)
        let request = HTTPRequest(
            method: .get, scheme: url.scheme, authority: url.authority, path: url.path, headerFields: fields)
        _ = try await auth.intercept(request, body: nil) { request, _ in
            seen.withLock { $0 = request }
            return HTTPTransportResponse(head: HTTPResponse(status: .ok), body: AsyncThrowingStream { $0.finish() })
        }
        return try #require(seen.withLock { $0 })
    }

    private static let origin: HTTPOrigin = "https://api.example.org"
    private static let all: [HTTPAuth] = [
        .apiKey("hunter2", for: origin), .apiKey("hunter2", query: "key", for: origin), .bearer("hunter2", for: origin),
        .basic(user: "ada", password: "hunter2", for: origin), .digest(user: "ada", password: "hunter2", for: origin),
        .custom("own", for: origin) { request, _ in request.headerFields[.authorization] = "hunter2" },
    ]

    @Test("each way puts the credentials where they belong")
    func placed() async throws {
        #expect(try await Self.sent(.none).headerFields.isEmpty)
        #expect(try await Self.sent(.apiKey("k", for: Self.origin)).headerFields[.apiKey] == "k")
        let custom = HTTPAuth.apiKey("k", header: .authorization, prefix: "ApiKey ", for: Self.origin)
        #expect(try await Self.sent(custom).headerFields[.authorization] == "ApiKey k")
        #expect(try await Self.sent(.bearer("t", for: Self.origin)).headerFields[.authorization] == "Bearer t")
        // The example of RFC 7617 §2.
        let basic = HTTPAuth.basic(user: "Aladdin", password: "open sesame", for: Self.origin)
        #expect(
            try await Self.sent(basic).headerFields[.authorization] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    }

    @Test("a key in the query is encoded, beside what is there")
    func query() async throws {
        let auth = HTTPAuth.apiKey("a b&c=ü", query: "the key", for: Self.origin)
        #expect(try await Self.sent(auth).path == "/a?the+key=a+b%26c%3D%C3%BC")
        #expect(
            try await Self.sent(auth, ("https", "api.example.org", "/a?b=1")).path
                == "/a?b=1&the+key=a+b%26c%3D%C3%BC")
    }

    @Test("credentials go to their origin alone", arguments: all)
    func origin(_ auth: HTTPAuth) async throws {
        for url in [
            ("http", "api.example.org", "/a"), ("https", "api.example.org:8443", "/a"), ("https", "example.org", "/a"),
            ("https", "api.example.org.evil.example", "/a"), ("https", "evil.example", "/api.example.org"),
        ] {
            let sent = try await Self.sent(auth, url)
            #expect(sent.headerFields.isEmpty && sent.path == url.2, "\(url)")
        }
    }

    @Test("the same origin in other words is the same origin")
    func sameOrigin() async throws {
        let auth = HTTPAuth.bearer("t", for: Self.origin)
        for url in [("https", "API.example.org", "/"), ("HTTPS", "api.example.org:443", "/b")] {
            #expect(try await Self.sent(auth, url).headerFields[.authorization] == "Bearer t", "\(url)")
        }
        let local = HTTPAuth.bearer("t", for: "http://[::1]:8080/x")
        #expect(try await Self.sent(local, ("http", "[::1]:8080", "/")).headerFields[.authorization] == "Bearer t")
        #expect(try await Self.sent(local, ("http", "[::1]", "/")).headerFields.isEmpty)
    }

    @Test("what a request brings itself is left alone")
    func own() async throws {
        let own: HTTPFields = [.authorization: "Bearer mine"]
        for auth in [HTTPAuth.bearer("t", for: Self.origin), .digest(user: "a", password: "b", for: Self.origin)] {
            #expect(try await Self.sent(auth, fields: own).headerFields[.authorization] == "Bearer mine")
        }
    }

    @Test("nothing that is printed of it shows the secret", arguments: all)
    func redacted(_ auth: HTTPAuth) {
        var dumped = ""
        dump(auth, to: &dumped)
        for text in ["\(auth)", String(reflecting: auth), dumped] {
            #expect(!text.contains("hunter2") && text.contains("https://api.example.org:443"), "\(text)")
        }
    }
}
