// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// Requests through proxies: squid for HTTP, a script for SOCKS.
@Suite("Through a proxy", .timeLimit(.minutes(5)))
struct ProxyTests {
    private func withClient<Value: Sendable>(
        _ proxy: HTTPProxy, trusting certificate: String? = nil,
        _ body: (APIClient) async throws -> Value
    ) async throws -> Value {
        var settings = HTTPTransportSettings.local
        (settings.proxy, settings.trustedCertificates) = (proxy, certificate)
        let transport = try AsyncHTTPClientTransport(settings: settings)
        let client = APIClient(
            "test",
            configuration: APIClientConfiguration(
                deadline: .seconds(120), attemptTimeout: .seconds(60), maximumAttempts: 2, backoff: .constant(.zero),
                breakerFailures: 100, callsPerMinute: 10_000),
            transport: transport)
        do {
            let value = try await body(client)
            #expect(transport.running == 0)
            await client.close()
            return value
        } catch {
            await client.close()
            throw error
        }
    }

    /// A server whose answers say what was asked.
    private func withOrigin<Value: Sendable>(
        _ heads: Locked<[String]> = Locked([]), _ body: @Sendable (Int) async throws -> Value
    ) async throws -> Value {
        try await ScriptedServer.run { connection in
            while let (head, body) = try await connection.request() {
                heads.withLock { $0.append(head.lowercased()) }
                let text = "\(head.prefix { $0 != "\r\n" }) \(body)"
                try await connection.write(
                    "HTTP/1.1 200 OK\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)")
            }
        } _: {
            try await body($0.port)
        }
    }

    @Test("http goes through squid in absolute form, so that no tunnel is needed", arguments: [nil, "ada:pass w:rd"])
    func plain(credentials: String?) async throws {
        let heads = Locked<[String]>([])
        try await self.withOrigin(heads) { origin in
            try await Peer.proxy(credentials: credentials, allowing: []) { port in
                let parts = credentials?.split(separator: ":", maxSplits: 1).map(String.init) ?? []
                let proxy = HTTPProxy(
                    host: "127.0.0.1", port: port, username: parts.first, password: parts.last.map { Secret($0) })
                try await self.withClient(proxy) { client async throws in
                    for _ in 0..<2 {
                        let url = "http://127.0.0.1:\(origin)/a/b?c=d%20e"
                        #expect(try await client.get(url).text == "GET /a/b?c=d%20e HTTP/1.1 ")
                        #expect(try await client.post(url, .text("x")).text == "POST /a/b?c=d%20e HTTP/1.1 x")
                    }
                    let gone = await #expect(throws: APIClientError.self) {
                        try await client.get("http://127.0.0.1:1/")
                    }
                    #expect(gone?.status == 503)
                }
            }
            #expect(heads.withLock { $0 }.count == 4)
            for head in heads.withLock({ $0 }) {
                #expect(head.contains("\r\nvia: ") && head.contains("\r\nhost: 127.0.0.1:\(origin)"))
                #expect(!head.contains("proxy-authorization"))
            }
        }
    }

    @Test("https goes through squid in a tunnel, its certificate checked", arguments: [nil, "ada:pass w:rd"])
    func tunnel(credentials: String?) async throws {
        let certificate = try await Certificate.make()
        try "whole".write(
            to: certificate.folder.appendingPathComponent("a.txt"), atomically: true, encoding: .utf8)
        try await Peer.nghttpd(certificate) { origin in
            try await Peer.proxy(credentials: credentials, allowing: [origin]) { port in
                let parts = credentials?.split(separator: ":", maxSplits: 1).map(String.init) ?? []
                let proxy = HTTPProxy(
                    host: "127.0.0.1", port: port, username: parts.first, password: parts.last.map { Secret($0) })
                try await self.withClient(proxy, trusting: certificate.certificate) { client async throws in
                    for _ in 0..<2 {
                        #expect(try await client.get("https://localhost:\(origin)/a.txt").text == "whole")
                    }
                }
                try await self.withClient(proxy) { client async throws in
                    let error = await #expect(throws: APIClientError.self) {
                        try await client.get("https://localhost:\(origin)/a.txt")
                    }
                    #expect(error?.kind == .untrusted)
                }
            }
        }
    }

    @Test("credentials that the proxy refuses are status 407, whatever the scheme, and tried once")
    func refused() async throws {
        try await self.withOrigin { origin in
            try await Peer.proxy(credentials: "ada:right", allowing: [443]) { port in
                for password in [nil, Secret("wrong")] {
                    let proxy = HTTPProxy(
                        host: "127.0.0.1", port: port, username: password.map { _ in "ada" }, password: password)
                    try await self.withClient(proxy) { client async throws in
                        for url in ["http://127.0.0.1:\(origin)/", "https://127.0.0.1:443/"] {
                            let error = await #expect(throws: APIClientError.self) { try await client.get(url) }
                            #expect(error?.status == 407 && error?.attempts == 1, "\(url)")
                            #expect(error.map { !"\($0)".contains("wrong") } == true)
                        }
                    }
                }
            }
        }
    }

    @Test("a tunnel that the proxy does not make, and a proxy that is not there, are unreachable")
    func noTunnel() async throws {
        try await Peer.proxy(allowing: [443]) { port in
            try await self.withClient(HTTPProxy(host: "127.0.0.1", port: port)) { client async throws in
                let error = await #expect(throws: APIClientError.self) {
                    try await client.get("https://127.0.0.1:444/")
                }
                #expect(error?.kind == .unreachable && error?.wasNeverSent == true)
            }
        }
        let port = try await ScriptedServer.run { _ in
        } _: {
            $0.port
        }
        for scheme in ["http", "https"] {
            try await self.withClient(HTTPProxy(host: "127.0.0.1", port: port)) { client async throws in
                let error = await #expect(throws: APIClientError.self) {
                    try await client.get("\(scheme)://127.0.0.1/")
                }
                #expect(error?.kind == .unreachable && error?.wasNeverSent == true)
            }
        }
    }

    @Test("SOCKS 5: the proxy is told the host and port, and then the request as to the server itself")
    func socks() async throws {
        let seen = Locked<[UInt8]>([])
        try await ScriptedServer.run { connection in
            // RFC 1928: version and methods, then version, command, address and port.
            guard let greeting = try await connection.read() else { return }
            #expect(Array(greeting.readableBytesView) == [5, 1, 0])
            try await connection.write(ByteBuffer(bytes: [5, 0]))
            guard let target = try await connection.read() else { return }
            seen.withLock { $0 = Array(target.readableBytesView) }
            try await connection.write(ByteBuffer(bytes: [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
            while let head = try await connection.requestHead() {
                #expect(head.hasPrefix("GET /a HTTP/1.1\r\n"))
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
            }
        } _: { server in
            try await self.withClient(HTTPProxy(.socks, host: "127.0.0.1", port: server.port)) { client async throws in
                for _ in 0..<2 { #expect(try await client.get("http://localhost:8081/a").text == "hi") }
            }
        }
        #expect(seen.withLock { $0 } == [5, 1, 0, 3, 9] + Array("localhost".utf8) + [0x1F, 0x91])
    }

    @Test("a SOCKS proxy that refuses, or is none, is unreachable")
    func socksRefused() async throws {
        for answers in [
            [[5, 0], [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], [[5, 0xFF]], [Array("HTTP/1.1 400 no\r\n\r\n".utf8)],
        ] as [[[UInt8]]] {
            try await ScriptedServer.run { connection in
                for answer in answers {
                    guard try await connection.read() != nil else { return }
                    try await connection.write(ByteBuffer(bytes: answer))
                }
                try await connection.waitForClose()
            } _: { server in
                try await self.withClient(HTTPProxy(.socks, host: "127.0.0.1", port: server.port)) {
                    client async throws in
                    let error = await #expect(throws: APIClientError.self) {
                        try await client.get("http://localhost:8081/a")
                    }
                    #expect(error?.kind == .unreachable && error?.wasNeverSent == true, "\(answers)")
                }
            }
        }
    }
}
