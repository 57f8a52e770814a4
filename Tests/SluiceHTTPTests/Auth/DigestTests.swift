// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("Digest authentication")
struct DigestTests {
    static let example = """
        Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=NAME, \
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
        """

    @Test(
        "the examples of RFC 7616 §3.9.1",
        arguments: [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ])
    func vectors(_ algorithm: String, _ response: String) throws {
        let text = Self.example.replacing("NAME", with: algorithm)
        let challenge = try #require(DigestChallenge([.wwwAuthenticate: text]))
        let credentials = challenge.credentials(
            user: "Mufasa", password: "Circle of Life", method: "GET", target: "/dir/index.html", count: 1,
            clientNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
        ).reveal()
        #expect(credentials.contains("response=\"\(response)\""))
        #expect(credentials.contains("algorithm=\(algorithm), opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""))
        #expect(credentials.contains("qop=auth, nc=00000001"))
        #expect(credentials.hasPrefix("Digest username=\"Mufasa\", realm=\"http-auth@example.org\""))
    }

    @Test("of several challenges the strongest that we know is answered, whatever stands between them")
    func strongest() throws {
        let md5 = Self.example.replacing("NAME", with: "MD5")
        let sha = Self.example.replacing("NAME", with: "SHA-256")
        var fields = HTTPFields()
        fields.append(HTTPField(name: .wwwAuthenticate, value: "Negotiate, \(md5), Basic realm=\"a, b\", \(sha)"))
        fields.append(
            HTTPField(name: .wwwAuthenticate, value: Self.example.replacing("NAME", with: "SHA-512-256")))
        let challenge = try #require(DigestChallenge(fields))
        #expect(challenge.algorithm == .sha256)
        #expect(challenge.realm == "http-auth@example.org")
        #expect(DigestChallenge([.wwwAuthenticate: "Basic realm=\"a\""]) == nil)
        #expect(DigestChallenge([.wwwAuthenticate: "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\""]) == nil)
    }

    @Test("quotes and backslashes in a realm survive")
    func quoting() throws {
        let challenge = try #require(DigestChallenge([.wwwAuthenticate: #"Digest realm="a\"b\\c", nonce="n""#]))
        #expect(challenge.realm == #"a"b\c"#)
        let credentials = challenge.credentials(
            user: #"d"e"#, password: "p", method: "GET", target: "/", count: 1, clientNonce: "c"
        ).reveal()
        #expect(credentials.contains(#"username="d\"e", realm="a\"b\\c""#))
        // Without quality of protection there is neither count nor nonce of ours: RFC 2069's form.
        #expect(!credentials.contains("nc=") && !credentials.contains("cnonce"))
    }

    @Test("a name beyond ASCII is sent in the form of RFC 8187, or hashed if the server wants that")
    func names() throws {
        let plain = try #require(DigestChallenge([.wwwAuthenticate: #"Digest realm="r", nonce="n", charset=UTF-8"#]))
        let hashed = try #require(DigestChallenge([.wwwAuthenticate: #"Digest realm="r", nonce="n", userhash=true"#]))
        func text(_ challenge: DigestChallenge) -> String {
            challenge.credentials(
                user: "Jäsøn Doe", password: "p", method: "GET", target: "/", count: 1, clientNonce: "c"
            ).reveal()
        }
        #expect(text(plain).contains("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe"))
        #expect(text(hashed).contains("userhash=true") && !text(hashed).contains("J"))
    }

    /// A server that knows one nonce at a time, and refuses each after so many uses.
    private final class Server: Sendable {
        private struct State {
            var nonce = 1
            var uses = 0
            var requests: [String] = []
        }

        private let state = Locked(State())
        let usesPerNonce: Int
        let marksStale: Bool

        init(usesPerNonce: Int, marksStale: Bool = true) {
            self.usesPerNonce = usesPerNonce
            self.marksStale = marksStale
        }

        var requests: [String] { self.state.withLock { $0.requests } }

        func answer(_ request: HTTPRequest) -> HTTPTransportResponse {
            let (isRight, nonce, isStale) = self.state.withLock { state -> (Bool, Int, Bool) in
                let sent = request.headerFields[.authorization] ?? ""
                let part = sent.split(separator: "nc=").last.map { String($0.prefix(8)) } ?? "none"
                state.requests.append(sent.isEmpty ? "none" : part)
                let isKnown = sent.contains("nonce=\"n\(state.nonce)\"")
                if isKnown, state.uses < self.usesPerNonce {
                    state.uses += 1
                    return (true, state.nonce, false)
                }
                if isKnown {
                    state.nonce += 1
                    state.uses = 0
                }
                return (false, state.nonce, isKnown)
            }
            var head = HTTPResponse(status: isRight ? .ok : .unauthorized)
            if !isRight {
                let stale = isStale && self.marksStale ? ", stale=true" : ""
                head.headerFields[.wwwAuthenticate] = "Digest realm=\"r\", qop=\"auth\", nonce=\"n\(nonce)\"\(stale)"
            }
            return HTTPTransportResponse(head: head, body: AsyncThrowingStream { $0.finish() })
        }
    }

    private func send(_ auth: HTTPAuth, _ server: Server, body: HTTPBody? = nil) async throws -> Int {
        let request = HTTPRequest(method: .get, scheme: "http", authority: "example.org", path: "/")
        return try await auth.intercept(request, body: body) { request, body in
            _ = try body?.parts()
            return server.answer(request)
        }.head.status.code
    }

    private let auth = HTTPAuth.digest(user: "ada", password: "p", for: "http://example.org")

    @Test("is refused once, then counts, and takes a new nonce when the old one is used up", arguments: [true, false])
    func counts(_ marksStale: Bool) async throws {
        let server = Server(usesPerNonce: 2, marksStale: marksStale)
        for _ in 0..<3 { #expect(try await self.send(self.auth, server) == 200) }
        #expect(server.requests == ["none", "00000001", "00000002", "00000003", "00000001"])
    }

    @Test("a wrong password ends after one try")
    func wrong() async throws {
        let server = Server(usesPerNonce: 0, marksStale: false)
        #expect(try await self.send(self.auth, server) == 401)
        #expect(server.requests.count == 2)
    }

    @Test("a server that calls every nonce stale is asked three times and no more")
    func stale() async throws {
        let server = Server(usesPerNonce: 0)
        #expect(try await self.send(self.auth, server) == 401)
        #expect(server.requests.count == 3)
    }

    @Test("a body that exists once is not sent twice")
    func once() async throws {
        let server = Server(usesPerNonce: 9)
        let parts = AsyncThrowingStream<ByteBuffer, any Error> { $0.finish() }
        #expect(try await self.send(self.auth, server, body: .stream(once: parts)) == 401)
        #expect(server.requests == ["none"])
    }
}
