// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOEmbedded
import NIOHTTP1
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// What is known of an answer when its connection ends, however its bytes were cut into pieces.
@Suite("Connection watch", .timeLimit(.minutes(5)))
struct ConnectionWatchTests {
    private final class Errors: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        var caught: [any Error] = []

        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.caught.append(error) }
    }

    /// Sends a request, brings the pieces, ends the connection, and returns what was reported.
    private func errors(_ pieces: [String], after: [String] = []) throws -> [any Error] {
        let channel = EmbeddedChannel()
        let errors = Errors()
        let watch = ConnectionWatch()
        try channel.pipeline.syncOperations.addHandlers([watch, errors])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        for exchange in [after, pieces] where !exchange.isEmpty || exchange == pieces {
            watch.begin()
            for piece in exchange { try channel.writeInbound(ByteBuffer(string: piece)) }
        }
        _ = try channel.finish(acceptAlreadyClosed: true)
        return errors.caught
    }

    private func cuts(_ text: String) -> [[String]] {
        [text.map(String.init)]
            + text.indices.dropFirst().map { [String(text[..<$0]), String(text[$0...])] } + [[text]]
    }

    private static let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    private static let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

    @Test("after interim answers alone the request may have been seen, wherever they were cut")
    func interim() throws {
        for text in [Self.interim, Self.interim + Self.interim] {
            for pieces in self.cuts(text) {
                let ended = try self.errors(pieces).compactMap { $0 as? ConnectionEnded }
                #expect(ended.map(\.wasReused) == [false], "\(pieces)")
                let reused = try self.errors(pieces, after: [Self.whole]).compactMap { $0 as? ConnectionEnded }
                #expect(reused.map(\.wasReused) == [false], "\(pieces)")
            }
        }
    }

    @Test("after a whole head there is nothing to report, whatever came before it")
    func answered() throws {
        for pieces in self.cuts(Self.whole) + self.cuts(Self.interim + Self.whole) {
            #expect(try self.errors(pieces).isEmpty, "\(pieces)")
        }
    }

    @Test("a connection that ends without a byte is one that was kept too long, or a first one")
    func silent() throws {
        #expect(try self.errors([]).compactMap { ($0 as? ConnectionEnded)?.wasReused } == [false])
        #expect(try self.errors([], after: [Self.whole]).compactMap { ($0 as? ConnectionEnded)?.wasReused } == [true])
    }

    @Test("a body is no head, however long it is, also if it came in one piece with an interim answer")
    func body() throws {
        let body = String(repeating: "x", count: ConnectionWatch.maximumHeadBytes + 1)
        let head = "HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count * 2)\r\n\r\n"
        for pieces in [[head + body, body], [Self.interim + head + body, body], [Self.interim, head, body, body]] {
            #expect(try self.errors(pieces).isEmpty)
        }
    }

    @Test("a head without end is too long, and so are interim answers without end")
    func tooLong() throws {
        let field = "x-field: \(String(repeating: "y", count: 1_000))\r\n"
        let flood = ["HTTP/1.1 200 OK\r\n"] + Array(repeating: field, count: 300)
        #expect(try self.errors(flood).contains { $0 as? HTTPParserError == .headerOverflow })
        let interims = Array(repeating: Self.interim + Self.interim, count: 4_000)
        #expect(try self.errors(interims).contains { $0 as? HTTPParserError == .headerOverflow })
    }
}
