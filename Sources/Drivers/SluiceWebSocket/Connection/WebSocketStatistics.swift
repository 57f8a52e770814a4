// SPDX-License-Identifier: Apache-2.0

/// What one connection has done so far.
public struct WebSocketStatistics: Sendable, Hashable {
    /// Messages handed over for sending.
    public internal(set) var messagesSent = 0
    /// Messages received whole.
    public internal(set) var messagesReceived = 0
    /// Bytes of messages handed over for sending, before compression.
    public internal(set) var bytesSent = 0
    /// Bytes of messages received, inflated.
    public internal(set) var bytesReceived = 0
    /// Bytes of payload of messages that went out, compressed.
    public internal(set) var wireBytesSent = 0
    /// All bytes that came in, headers and control frames included.
    public internal(set) var wireBytesReceived = 0
    /// Pings that came and were answered.
    public internal(set) var pingsReceived = 0
    /// Messages that came after we had closed, or were left out because the peer is slow.
    public internal(set) var messagesDropped = 0
    /// Time from the last answered ping to its pong.
    public internal(set) var latency: Duration?

    /// Bytes on the wire for each byte sent: 1 without compression, nil before anything was sent.
    public var compressionRatio: Double? {
        self.bytesSent == 0 ? nil : Double(self.wireBytesSent) / Double(self.bytesSent)
    }
}
