// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SluiceHTTP

/// Where a URL leads to, and what it is counted as.
@Suite("Targets", .timeLimit(.minutes(1)))
struct HTTPTargetTests {
    @Test(
        "a URL is the same by the short way and by Foundation's, which one in capitals takes",
        arguments: [
            "http://h", "http://h/", "http://h?q=1", "http://h?q=/a", "https://h:8443/p/a?q=%20", "http://h:80",
            "http://h:080",
            "https://127.0.0.1:443/?a=b:c", "http://a-b.c_d.example.org/x//y",
        ])
    func shortWay(_ text: String) throws {
        let long = text.replacing("http", with: "HTTP")
        #expect(try HTTPTarget(text) == HTTPTarget(long))
    }

    @Test("scheme, authority, path and origin")
    func parts() throws {
        let target = try HTTPTarget("http://example.org?q=/a")
        #expect(
            target
                == HTTPTarget(
                    scheme: "http", authority: "example.org", path: "/?q=/a", origin: "http://example.org:80"))
        let other = try HTTPTarget("https://h:8443/p?q")
        #expect(other == HTTPTarget(scheme: "https", authority: "h:8443", path: "/p?q", origin: "https://h:8443"))
    }

    @Test(
        "what is no absolute http or https URL of a host is not fetched",
        arguments: [
            "", "/a", "http://", "http:///a", "ftp://h/", "http://:80/", "http://h:70000/", "http://h:0/",
            "HTTP://h:0/", "http://h:99999999999999999999/", "http://u:p@h/",
            "http://h:+1/",
        ])
    func refused(_ text: String) {
        let error = #expect(throws: APIClientError.self) { try HTTPTarget(text) }
        #expect(error?.kind == .urlNotAllowed)
    }

    @Test("a route is the path without query, fragment and ids")
    func routes() {
        let routes = [
            "/users": "/users", "/users/42?full=1": "/users/{id}", "https://h": "/", "https://h/a#b": "/a",
            "https://h1?q=/a/7": "/", "http://h1:80/v2/0b7f6a2e-6f0c-4a5e-9d8b-1c2d3e4f5a6b/x": "/v2/{id}/x",
            "/login?next=https://x.org/account": "/login", "/a:b": "/a:b", "": "/", "ä/7": "ä/{id}",
        ]
        for (path, route) in routes { #expect(RouteTemplate.template(of: path) == route) }
    }
}
