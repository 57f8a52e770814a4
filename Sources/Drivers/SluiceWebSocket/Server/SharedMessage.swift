// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice
import Synchronization

/// A message for many connections of a server: framed once, and compressed once for each size of window.
final class SharedMessage: Sendable {
    let message: WebSocketMessage
    /// The frame for connections without compression.
    let plain: ByteBuffer
    private let compressed = Mutex<[Int: ByteBuffer]>([:])

    init(_ message: WebSocketMessage) {
        self.message = message
        var plain = ByteBuffer()
        var writer = FrameWriter(role: .server)
        writer.write(message, into: &plain)
        self.plain = plain
    }

    /// The frame for connections with so large a window; it refers to no message before it.
    func compressed(windowBits: Int, _ effort: WebSocketCompression.Effort) -> ByteBuffer {
        if let frame = self.compressed.withLock({ $0[windowBits] }) { return frame }
        var frame = ByteBuffer()
        var writer = FrameWriter(
            role: .server, deflater: Deflater(windowBits: windowBits, keepsWindow: false, effort: effort))
        writer.write(self.message, into: &frame)
        // Two event loops may both have made it; they made the same.
        self.compressed.withLock { $0[windowBits] = frame }
        return frame
    }
}

extension WebSocketHandler {
    /// Sends what goes to many.
    ///
    /// - Parameters:
    ///   - limit: A peer for which more bytes wait than that is slow.
    ///   - slow: What happens to it then.
    /// - Returns: Whether it was sent.
    func send(_ shared: SharedMessage, limit: Int, slow: WebSocketBroadcast.SlowPeers) -> Bool {
        guard self.phase == .open, let context = self.context else { return false }
        let buffered = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard buffered + self.pending.readableBytes + self.deferredBytes <= limit else {
            self.state.count { $0.messagesDropped += 1 }
            if !self.isPeerSlow {
                self.isPeerSlow = true
                self.configuration.report(.webSocketPeerSlow, outcome: "\(slow)")
            }
            if slow == .close { self.beginClose(.policyViolation, "too slow") }
            return false
        }
        self.isPeerSlow = false
        guard self.writer.isBetweenMessages else {
            // A message in fragments is under way; this one goes behind it.
            self.deferred.append(shared)
            self.deferredBytes += shared.plain.readableBytes
            return true
        }
        let before = self.pending.readableBytes
        self.writer.write(shared, into: &self.pending)
        let wireBytes = self.pending.readableBytes - before
        self.state.sent(messages: 1, bytes: shared.message.byteCount, wireBytes: wireBytes)
        self.flush()
        return true
    }
}

extension FrameWriter {
    /// Appends what goes to many.
    mutating func write(_ shared: SharedMessage, into output: inout ByteBuffer) {
        guard self.role == .server else {
            self.write(shared.message, into: &output)
            return
        }
        guard let deflater = self.deflater, shared.message.byteCount >= self.threshold else {
            output.writeImmutableBuffer(shared.plain)
            return
        }
        output.writeImmutableBuffer(shared.compressed(windowBits: deflater.bits, deflater.effort))
        // The peer's window has a message in it now that is not in ours.
        deflater.forget()
    }
}
