// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import SluiceHTTP

/// When an exchange's server counts as silent, on a loop whose time the tests move.
@Suite("Exchange watch", .timeLimit(.minutes(5)))
struct ExchangeWatchTests {
    private final class Errors: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart

        var caught: [any Error] = []

        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.caught.append(error) }
    }

    private let channel = EmbeddedChannel()
    private let errors = Errors()

    init() throws {
        try self.channel.pipeline.syncOperations.addHandlers([ExchangeWatch(limit: .seconds(10)), self.errors])
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private var isSilent: Bool { self.errors.caught.contains { $0 as? HTTPClientError == .readTimeout } }

    private func sendHead() throws {
        try self.channel.writeOutbound(
            HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")))
    }

    private func sendEnd() throws { try self.channel.writeOutbound(HTTPClientRequestPart.end(nil)) }

    /// Brings parts of an answer, after which the connection is asked for more, unless whoever reads takes its time.
    private func receive(_ parts: HTTPClientResponsePart..., thenAsks: Bool = true) throws {
        for part in parts { try self.channel.writeInbound(part) }
        if thenAsks { self.channel.read() }
    }

    private func pass(_ seconds: Int64) { self.channel.embeddedEventLoop.advanceTime(by: .seconds(seconds)) }

    private let head = HTTPClientResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok))
    private let body = HTTPClientResponsePart.body(ByteBuffer(string: "x"))

    @Test("silence counts from the request's end, and anew from each part of the answer")
    func silence() throws {
        try self.sendHead()
        self.pass(100)
        try self.sendEnd()
        self.pass(9)
        try self.receive(self.head)
        self.pass(9)
        try self.receive(self.body)
        self.pass(9)
        #expect(!self.isSilent)
        self.pass(1)
        #expect(self.isSilent)
    }

    @Test("a connection between two exchanges is not silent, and the next exchange has the whole of its time")
    func kept() throws {
        for _ in 0..<3 {
            try self.sendHead()
            try self.sendEnd()
            self.pass(4)
            try self.receive(self.head, self.body, .end(nil))
            self.pass(2)
        }
        self.pass(100)
        try self.sendHead()
        try self.sendEnd()
        self.pass(9)
        #expect(!self.isSilent)
        self.pass(1)
        #expect(self.isSilent)
    }

    @Test("while whoever reads the answer takes its time the server is not silent")
    func slowReader() throws {
        try self.sendHead()
        try self.sendEnd()
        try self.receive(self.head, self.body, thenAsks: false)
        self.pass(100)
        self.channel.read()
        self.pass(9)
        #expect(!self.isSilent)
        self.pass(1)
        #expect(self.isSilent)
    }

    @Test("asking once more, without a part between, is no news")
    func askedTwice() throws {
        try self.sendHead()
        try self.sendEnd()
        self.pass(5)
        self.channel.read()
        self.pass(5)
        #expect(self.isSilent)
    }

    @Test("a request that is sent as soon as the answer before it ends has its time from when its answer is asked for")
    func sentAtOnce() throws {
        try self.sendHead()
        try self.sendEnd()
        try self.receive(self.head, .end(nil), thenAsks: false)
        try self.sendHead()
        try self.sendEnd()
        self.pass(5)
        self.channel.read()
        self.pass(9)
        #expect(!self.isSilent)
        self.pass(1)
        #expect(self.isSilent)
    }

    @Test("an interim answer is a part, and not the end")
    func interim() throws {
        try self.sendHead()
        try self.sendEnd()
        self.pass(9)
        try self.receive(.head(HTTPResponseHead(version: .http1_1, status: .processing)))
        self.pass(9)
        #expect(!self.isSilent)
        self.pass(1)
        #expect(self.isSilent)
    }

    @Test("an answer that ends before its request leaves nothing to wait for")
    func early() throws {
        try self.sendHead()
        try self.receive(self.head, .end(nil))
        try self.sendEnd()
        self.pass(100)
        #expect(!self.isSilent)
    }

    @Test("a connection that has ended is not kept by its alarm")
    func ended() throws {
        weak var watch: ExchangeWatch?
        let loop = self.channel.embeddedEventLoop
        do {
            let channel = EmbeddedChannel(loop: loop)
            let handler = ExchangeWatch(limit: .seconds(10))
            watch = handler
            try channel.pipeline.syncOperations.addHandler(handler)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            try channel.writeOutbound(
                HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")))
            try channel.writeOutbound(HTTPClientRequestPart.end(nil))
            // Not by `finish`, which runs whatever was scheduled.
            channel.close(promise: nil)
            loop.run()
        }
        #expect(watch == nil)
    }
}
