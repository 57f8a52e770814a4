// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOEmbedded
import Testing

@testable import SluiceWebSocket

/// What was read and inflates to more than may wait, on an event loop that does nothing by itself.
@Suite("Reading that is held up")
struct HeldReadTests {
    private final class Reads: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        var count = 0

        func read(context: ChannelHandlerContext) {
            self.count += 1
            context.read()
        }
    }

    private static let texts = (0..<6).map { String(repeating: "\($0)", count: 600) }

    /// A connection whose queue has room for one of the messages and not for two, and all of them on the wire.
    private func makeConnection() throws -> (EmbeddedChannel, WebSocketHandler, Reads, ByteBuffer) {
        let configuration = WebSocketConfiguration.patient(limits: WebSocketLimits(queuedBytes: 1_000))
        let handler = WebSocketHandler(
            state: ConnectionState(limits: configuration.limits), role: .client, configuration: configuration,
            agreed: AgreedCompression())
        let channel = EmbeddedChannel()
        let reads = Reads()
        try channel.pipeline.syncOperations.addHandlers([reads, handler])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        reads.count = 0
        var writer = FrameWriter(role: .server, deflater: Deflater(windowBits: 15, keepsWindow: true, effort: .init()))
        var wire = ByteBuffer()
        for text in Self.texts { writer.write(.text(text), into: &wire) }
        return (channel, handler, reads, wire)
    }

    /// Takes a message, as a task elsewhere does, and tells the event loop if it must be told.
    private func take(_ handler: WebSocketHandler) -> String? {
        let (received, mustTell) = handler.state.take()
        if mustTell { handler.goOn() }
        guard case .message(.text(let text)) = received else { return nil }
        return text
    }

    @Test("goes on when there is room, and looks at all that was read before it reads more")
    func room() throws {
        let (channel, handler, reads, wire) = try self.makeConnection()
        try channel.writeInbound(wire)
        channel.read()
        #expect(handler.state.statistics.messagesReceived == 2)
        #expect(reads.count == 0)
        for text in Self.texts { #expect(self.take(handler) == text) }
        #expect(reads.count == 1)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("goes on when a task made room between what filled the queue and the question whether to read on")
    func roomInBetween() throws {
        let (channel, handler, reads, wire) = try self.makeConnection()
        try channel.writeInbound(wire)
        #expect(self.take(handler) == Self.texts[0])
        channel.read()
        #expect(handler.state.statistics.messagesReceived == 3)
        #expect(reads.count == 0)
        for text in Self.texts.dropFirst() { #expect(self.take(handler) == text) }
        #expect(reads.count == 1)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }
}
