// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Testing

@testable import SluiceWebSocket

@Suite("The handshake")
struct NegotiationTests {
    @Test("proves with the key that it was understood, as the standard's example does")
    func keys() {
        #expect(HandshakeKey.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(HandshakeKey.isValid(HandshakeKey.make()))
        for key in ["dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25j-Q==", ""] {
            #expect(!HandshakeKey.isValid(key), "\(key)")
        }
    }

    @Test("lets no server ask to be left alone for more than a day", arguments: [("120", 120), ("4294967295", 86_400)])
    func retryAfter(value: String, seconds: Int) {
        let handshake = ClientHandshake(
            authority: "a", target: "/", headers: [:], subprotocols: [], compression: nil)
        let answer = HTTPHead(startLine: "HTTP/1.1 503 Service Unavailable", fields: [.retryAfter: value])
        let error = #expect(throws: WebSocketError.self) { try handshake.check(answer) }
        #expect(error?.retryAfter == .seconds(seconds))
    }

    private static func answer(_ offer: String, _ wanted: WebSocketCompression = .init()) -> String? {
        AgreedCompression.answer(to: ExtensionOffer.parse([offer]) ?? [], wanted)?.header
    }

    @Test("agrees on compression as RFC 7692 allows")
    func answers() {
        let wide = WebSocketCompression(serverMaxWindowBits: 15, clientMaxWindowBits: 15)
        #expect(Self.answer("permessage-deflate", wide) == "permessage-deflate")
        // A client that does not speak of its window is not told of it.
        #expect(Self.answer("permessage-deflate") == "permessage-deflate; server_max_window_bits=12")
        #expect(
            Self.answer("permessage-deflate; client_max_window_bits")
                == "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")
        #expect(
            Self.answer("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9", wide)
                == "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9")
        #expect(
            Self.answer("permessage-deflate; server_no_context_takeover; client_no_context_takeover", wide)
                == "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        // The first offer that can be kept to.
        #expect(
            Self.answer("x-other, permessage-deflate; server_max_window_bits=7, permessage-deflate", wide)
                == "permessage-deflate")
        for wrong in [
            "x-webkit-deflate-frame", "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; client_max_window_bits=7", "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
        ] { #expect(Self.answer(wrong, wide) == nil, "\(wrong)") }
    }

    @Test("takes only an agreement that was offered")
    func acceptance() {
        let offered = WebSocketCompression(
            serverNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 9)
        #expect(
            AgreedCompression.offer(offered)
                == "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9"
        )
        func accept(_ answer: String, _ offered: WebSocketCompression) -> AgreedCompression? {
            ExtensionOffer.parse([answer])?.first.flatMap { AgreedCompression.accept($0, offered: offered) }
        }
        let agreed = accept("permessage-deflate; server_no_context_takeover; server_max_window_bits=10", offered)
        #expect(agreed?.clientMaxWindowBits == 9)
        #expect(accept("permessage-deflate; server_max_window_bits=10", offered) == nil)
        #expect(accept("permessage-deflate; server_no_context_takeover", offered) == nil)
        #expect(accept("permessage-deflate; server_no_context_takeover; server_max_window_bits=11", offered) == nil)
        #expect(accept("permessage-deflate; server_max_window_bits=12; client_max_window_bits", .init()) == nil)
        #expect(accept("permessage-deflate; server_max_window_bits=\"12\"", .init()) != nil)
    }

    @Test("never deflates with a window of eight bits, which zlib cannot")
    func eightBits() {
        let agreed = AgreedCompression.answer(
            to: ExtensionOffer.parse(["permessage-deflate; server_max_window_bits=8; client_max_window_bits=8"]) ?? [],
            .init())?.agreed
        #expect(agreed?.serverMaxWindowBits == 8)
        #expect(agreed?.deflater(for: .server, .init()) == nil)
        #expect(agreed?.deflater(for: .client, .init()) == nil)
    }

    @Test("keeps the inflater's window unless the peer has agreed to forget, whatever was asked")
    func keepsWindow() throws {
        // The offer asks, and the server's answer is silent: its client may refer to messages before.
        let asked = AgreedCompression()
        let forgets = AgreedCompression(clientNoContextTakeover: true)
        let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        let again: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
        func second(_ agreed: AgreedCompression) -> Inflater.Result {
            let inflater = agreed.inflater(for: .server)
            var output = ByteBuffer()
            _ = inflater.inflate(ByteBuffer(bytes: hello + [0, 0, 0xFF, 0xFF]), into: &output, limit: 100)
            inflater.endMessage()
            output.clear()
            return inflater.inflate(ByteBuffer(bytes: again + [0, 0, 0xFF, 0xFF]), into: &output, limit: 100)
        }
        #expect(second(asked) == .done)
        #expect(second(forgets) == .damaged)
    }

    @Test("stops inflating at the limit, not at the end")
    func bomb() {
        let deflater = Deflater(windowBits: 15, keepsWindow: true, effort: .init())
        var packed = ByteBuffer()
        let zeros = [UInt8](repeating: 0, count: 10_000_000)
        _ = zeros.withUnsafeBytes { deflater.deflate($0, into: &packed, isLast: true) }
        var output = ByteBuffer()
        let inflater = Inflater(windowBits: 15, keepsWindow: true)
        #expect(inflater.inflate(packed, into: &output, limit: 5_000) == .tooLarge)
        #expect(output.readableBytes == 5_001)
        #expect(output.capacity <= 32_768)
    }

    @Test(
        "is refused to pages from elsewhere",
        arguments: [
            (nil, true), ("http://example.com", true), ("https://EXAMPLE.com:443", true),
            ("http://example.com:80", true),
            ("http://example.com:8080", false), ("https://evil.com", false), ("null", false),
            ("http://example.com.evil.com", false),
            ("https://friend.com", true), ("http://friend.com", false),
        ] as [(String?, Bool)])
    func origins(origin: String?, isAllowed: Bool) {
        var headers = HTTPFields()
        headers[.hostHeader] = "example.com"
        headers[.origin] = origin
        #expect(WebSocketOrigins.same(and: ["https://friend.com"]).allow(headers) == isAllowed)
        #expect(WebSocketOrigins.any.allow(headers))
    }

    @Test(
        "reads URLs",
        arguments: [
            ("ws://example.com", "example.com", 80, "example.com", "/"),
            ("wss://Example.com/a?b=c", "example.com", 443, "example.com", "/a?b=c"),
            ("ws://[::1]:9/x", "::1", 9, "[::1]:9", "/x"), ("wss://h:8443?q", "h", 8_443, "h:8443", "/?q"),
        ])
    func urls(text: String, host: String, port: Int, authority: String, target: String) throws {
        let url = try WebSocketURL(text)
        #expect((url.host, url.port, url.authority, url.target) == (host, port, authority, target))
    }

    @Test(
        "refuses URLs",
        arguments: [
            "http://h/", "h", "ws://", "ws://h:0/", "ws://h:70000/", "ws://user@h/", "ws://h/#f", "ws://h/a b",
            "ws://[::1/",
            "ws://h/\r\nX: y",
        ])
    func badURLs(text: String) {
        let error = #expect(throws: WebSocketError.self) { try WebSocketURL(text) }
        #expect(error?.kind == .urlNotAllowed)
        #expect(error?.description.contains(text) == false || text == "h")
    }
}
