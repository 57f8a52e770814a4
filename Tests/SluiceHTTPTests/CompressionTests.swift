// SPDX-License-Identifier: Apache-2.0
import CZlib
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("Compressed bodies", .timeLimit(.minutes(5)))
struct CompressionTests {
    let time = VirtualTime()

    private func client(_ answer: ScriptedTransport.Answer) -> APIClient {
        APIClient("test", transport: ScriptedTransport { _, _ in answer }, time: self.time)
    }

    /// - Parameter bits: 31 for gzip, 15 for deflate, -15 for deflate without a wrapper.
    private func compressed(_ bytes: [UInt8], _ bits: Int32) -> [UInt8] {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        deflateInit2_(&stream, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
        defer { deflateEnd(&stream) }
        var (input, output) = (bytes, [UInt8](repeating: 0, count: bytes.count + 1_000))
        let count = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                _ = deflate(&stream, Z_FINISH)
                return target.count - Int(stream.avail_out)
            }
        }
        return Array(output.prefix(count))
    }

    private func parts(_ bytes: [UInt8], size: Int) -> [ByteBuffer] {
        stride(from: 0, to: bytes.count, by: size).map { ByteBuffer(bytes: bytes[$0..<min($0 + size, bytes.count)]) }
    }

    @Test("compressed bodies are inflated, in every form and wherever the parts end", arguments: [1, 100, 1_000_000])
    func inflates(size: Int) async throws {
        let text = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
        let gzip = self.compressed(text, 31)
        for (coding, bytes, expected) in [
            ("gzip", gzip, text), ("deflate", self.compressed(text, 15), text),
            ("deflate", self.compressed(text, -15), text), ("x-gzip", gzip + gzip, text + text),
        ] {
            let client = self.client(
                .init(.ok, fields: [.contentEncoding: coding], parts: self.parts(bytes, size: size)))
            let reply = try await client.get("https://example.org/")
            let isRight = Array(reply.body.readableBytesView) == expected
            #expect(isRight)
            #expect(reply.fields[.contentEncoding] == nil)
        }
        let empty = try await self.client(.init(.noContent, fields: [.contentEncoding: "gzip"])).get(
            "https://example.org/")
        #expect(empty.body.readableBytes == 0)
    }

    @Test("a range is asked for as it is, and a part of something compressed is left as it came")
    func ranges() async throws {
        let part = Array(self.compressed(Array("hello hello hello".utf8), 31).dropFirst(4).prefix(8))
        let fields: HTTPFields = [.contentEncoding: "gzip", .contentRange: "bytes 4-11/40", .contentLength: "8"]
        let transport = ScriptedTransport { _, _ in
            .init(.partialContent, fields: fields, parts: [ByteBuffer(bytes: part)])
        }
        let client = APIClient("test", transport: transport, time: self.time)
        let reply = try await client.get("https://example.org/", fields: [.range: "bytes=4-11"])
        #expect(Array(reply.body.readableBytesView) == part)
        #expect(reply.fields[.contentEncoding] == "gzip" && reply.fields[.contentLength] == "8")
        #expect(transport.requests.map { $0.headerFields[.acceptEncoding] } == ["identity"])
    }

    @Test(
        "what codings are asked for is the request's choice, else the configuration's, else the client's, which takes a range as it is",
        arguments: [
            (nil, nil, true, "gzip, deflate", "identity"),
            (nil, "gzip, deflate", true, "gzip, deflate", "gzip, deflate"),
            ("br", "gzip", true, "br", "br"), (nil, "gzip", true, "gzip", "gzip"), (nil, nil, false, nil, nil),
        ] as [(String?, String?, Bool, String?, String?)])
    func codings(
        request: String?, configured: String?, accepts: Bool, whole: String?, range: String?
    ) async throws {
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        var settings = APIClientConfiguration()
        settings.fields[.acceptEncoding] = configured
        settings.acceptsCompression = accepts
        let client = APIClient("test", configuration: settings, transport: transport, time: self.time)
        for isRange in [false, true] {
            var fields = HTTPFields()
            fields[.acceptEncoding] = request
            if isRange { fields[.range] = "bytes=4-11" }
            _ = try await client.get("https://example.org/", fields: fields)
        }
        #expect(transport.requests.map { $0.headerFields[.acceptEncoding] } == [whole, range])
    }

    @Test("a bomb, a damaged and a cut body are errors")
    func bombs() async throws {
        let bomb = self.compressed([UInt8](repeating: 0, count: 32 << 20), 31)
        let damaged = self.compressed(Array("hello hello hello".utf8), 31).enumerated().map { $0 == 12 ? ~$1 : $1 }
        let cut = Array(self.compressed(Array("hello hello hello".utf8), 31).dropLast(9))
        for (bytes, kind) in [
            (bomb, APIClientError.Kind.bodyTooLarge), (damaged, .invalidResponse), (cut, .connectionLost),
        ] {
            var settings = APIClientConfiguration(maximumAttempts: 1, maximumBodyBytes: 64 << 20)
            settings.maximumInflation = 100
            let transport = ScriptedTransport { _, _ in
                .init(.ok, fields: [.contentEncoding: "gzip"], parts: [ByteBuffer(bytes: bytes)])
            }
            let client = APIClient("test", configuration: settings, transport: transport, time: self.time)
            let error = await #expect(throws: APIClientError.self) { try await client.get("https://example.org/") }
            #expect(error?.kind == kind)
        }
    }

    @Test("a bomb is not inflated further than the limit on the body")
    func bounded() async throws {
        let inflater = Inflater(.gzip, maximumRatio: 10_000)
        inflater.feed(ByteBuffer(bytes: self.compressed([UInt8](repeating: 0, count: 8 << 20), 31)))
        #expect(try inflater.piece().readableBytes <= Inflater.pieceBytes)
        #expect(!inflater.isAtEnd)
    }
}
