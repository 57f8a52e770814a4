// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import SluiceTesting
import Testing

/// The client against other people's servers.
@Suite("Against other people's programs", .timeLimit(.minutes(5)))
struct PeerTests {
    private struct Echo: Decodable {
        let args: [String: String]?
        let data: String?
        let form: [String: String]?
        let json: [String: Int]?
        let headers: [String: String]?
        let cookies: [String: String]?
        let gzipped: Bool?
        let deflated: Bool?
        let authenticated: Bool?
    }

    private enum Kind: CaseIterable {
        case asyncHTTPClient, urlSession
    }

    /// A client for each transport.
    private func withClients(_ port: Int, _ body: (APIClient) async throws -> Void) async throws {
        let settings = HTTPTransportSettings.local
        let configuration = APIClientConfiguration(baseURL: "http://127.0.0.1:\(port)", backoff: .constant(.zero))
        for kind in Kind.allCases {
            let transport: any HTTPTransport =
                kind == .urlSession
                ? URLSessionTransport(settings: settings) : try AsyncHTTPClientTransport(settings: settings)
            let client = APIClient(
                "\(kind)", configuration: configuration, transport: transport, cookies: CookieJar())
            do {
                try await body(client)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        }
    }

    @Test("httpbin: every method, bodies, compression, cookies, redirects, errors, streams")
    func httpbin() async throws {
        try await Peer.httpbin { port in
            try await self.withClients(port) { client in
                let get = try await client.get("/get", as: Echo.self, query: ["a b": "c&d", "e": "ü"])
                #expect(get.args == ["a b": "c&d", "e": "ü"])
                let post = try await client.post("/post", .json(["n": 1])).decode(Echo.self)
                #expect(post.json == ["n": 1])
                let put = try await client.put("/put", .form(["a b": "c+d&é"])).decode(Echo.self)
                #expect(put.form == ["a b": "c+d&é"])
                #expect(try await client.patch("/patch", .text("hi")).decode(Echo.self).data == "hi")
                #expect(try await client.delete("/delete").status == .ok)
                #expect(try await client.head("/get").body.readableBytes == 0)
                #expect(try await client.options("/get").fields[.allow]?.contains("GET") == true)
                #expect(try await client.get("/gzip", as: Echo.self).gzipped == true)
                #expect(try await client.get("/deflate", as: Echo.self).deflated == true)
                #expect(try await client.get("/cookies/set?k=v").decode(Echo.self).cookies == ["k": "v"])
                #expect(try await client.get("/redirect/4").status == .ok)
                let endless = await #expect(throws: APIClientError.self) { try await client.get("/redirect/9") }
                #expect(endless?.kind == .tooManyRedirects)
                let teapot = await #expect(throws: APIClientError.self) { try await client.get("/status/418") }
                #expect(teapot?.status == 418)
                #expect(teapot?.attempts == 1)
                let stream = try await client.stream(APIRequest(.get, "/stream/20"))
                var rows = 0
                for try await row in stream.records(as: Row.self) {
                    #expect(row.id == rows)
                    rows += 1
                }
                #expect(rows == 20)
                let bytes = try await client.get("/stream-bytes/100000?chunk_size=7000&seed=3")
                #expect(bytes.body.readableBytes == 100_000)
            }
        }
    }

    private struct Row: Decodable, Sendable {
        let id: Int
    }

    @Test("two parsers of multipart bodies read what was sent, streamed or not")
    func multipart() async throws {
        let names = [("plain", "x.txt"), ("a\"b\r\nc", "q\"uo\r\nte.txt"), ("ünï", "日本.bin")]
        let content = Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try await Peer.httpbin { port in
            try await self.withClients(port) { client in
                for parser in ["/werkzeug", "/python-multipart"] {
                    for streamed in [nil, Int64(content.count), -1] {
                        var form = MultipartForm()
                        form.add("text", "a\r\n--b")
                        for (name, filename) in names {
                            form.add(name, filename: filename, type: "text/x-test", self.body(content, streamed))
                        }
                        let reply = try await client.post(parser, .multipart(form), idempotencyKey: "k")
                        try self.check(try reply.decode([[String?]].self), names, content)
                    }
                }
            }
        }
    }

    /// - Parameter length: nil for bytes, negative for a stream whose length is not known.
    private func body(_ content: Data, _ length: Int64?) -> HTTPBody {
        guard let length else { return .bytes(ByteBuffer(bytes: content)) }
        return .stream(length: length < 0 ? nil : length) {
            AsyncThrowingStream { stream in
                for start in Swift.stride(from: 0, to: content.count, by: 30_000) {
                    stream.yield(ByteBuffer(bytes: content[start..<min(start + 30_000, content.count)]))
                }
                stream.finish()
            }
        }
    }

    private func check(_ parts: [[String?]], _ names: [(String, String)], _ content: Data) throws {
        #expect(parts.count == names.count + 1)
        #expect(parts.first?.first == "text")
        #expect(parts.first?[3] == Data("a\r\n--b".utf8).base64EncodedString())
        for (part, (name, filename)) in zip(parts.dropFirst(), names) {
            // One parser leaves the percent-encoding that browsers use as it is, the other undoes that of quotes.
            #expect(part[0]?.removingPercentEncoding == name)
            #expect(part[1]?.removingPercentEncoding == filename)
            #expect(part[3] == content.base64EncodedString())
        }
    }

    @Test("a recording of httpbin plays back the same, without it and without its secrets")
    func recording() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-recording-\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let settings = HTTPTransportSettings.local
        // The service repeats the whole request in its answer.
        let redaction = HTTPRedaction { body in
            Data(String(decoding: body, as: UTF8.self).replacing("hush", with: HTTPRedaction.mark).utf8)
        }
        let (port, text) = try await Peer.httpbin { port in
            let recorder = RecordingTransport(
                try AsyncHTTPClientTransport(settings: settings), redaction: redaction)
            let client = APIClient("record", transport: recorder)
            let reply = try await client.get("http://127.0.0.1:\(port)/get?token=hush&a=1")
            _ = try? await client.get("http://127.0.0.1:\(port)/status/404")
            try recorder.recording.write(to: file)
            await client.close()
            return (port, reply.text)
        }
        let replay = ReplayingTransport(try HTTPRecording(contentsOf: file))
        let client = APIClient("replay", transport: replay)
        #expect(text.contains("hush"))
        let played = try await client.get("http://127.0.0.1:\(port)/get?token=other&a=1")
        #expect(played.text == text.replacing("hush", with: HTTPRedaction.mark))
        #expect(played.fields[.contentLength] == "\(played.body.readableBytes)")
        let missing = await #expect(throws: APIClientError.self) {
            try await client.get("http://127.0.0.1:\(port)/status/404")
        }
        #expect(missing?.status == 404)
        #expect(replay.remaining.isEmpty)
        await #expect(throws: ReplayingTransport.NotRecordedError.self) {
            try await client.get("http://127.0.0.1:\(port)/get?token=hush&a=1")
        }
        let urls = try HTTPRecording(contentsOf: file).exchanges.map(\.url)
        #expect(urls.first?.hasSuffix("/get?token=REDACTED&a=1") == true)
        // Bodies are in base 64 there, so both of its forms are looked through.
        let recorded = try HTTPRecording(contentsOf: file).exchanges
        #expect(!(try String(contentsOf: file, encoding: .utf8)).contains("hush"))
        #expect(recorded.allSatisfy { !String(decoding: $0.body, as: UTF8.self).contains("hush") })
    }
}
