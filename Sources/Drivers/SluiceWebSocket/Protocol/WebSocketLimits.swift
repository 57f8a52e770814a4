// SPDX-License-Identifier: Apache-2.0

/// How much one connection may hold and how large what comes may be.
public struct WebSocketLimits: Sendable, Hashable {
    /// The largest message, inflated, in bytes; at least 1.
    ///
    /// A larger one ends the connection with 1009.
    public var messageBytes: Int
    /// The largest frame as it comes, in bytes; at least 1.
    public var frameBytes: Int
    /// How many received messages wait for the application before reading from the socket stops; at least 1.
    ///
    /// What was read together with the last of them waits beside them: NIO takes up to four times 64 KiB from a socket before it
    /// asks whether to read on.
    public var queuedMessages: Int
    /// How many bytes of received messages wait for the application before reading stops; at least 1.
    public var queuedBytes: Int

    /// Creates limits.
    public init(
        messageBytes: Int = 1 << 20, frameBytes: Int = 1 << 20, queuedMessages: Int = 16, queuedBytes: Int = 1 << 20
    ) {
        precondition(messageBytes >= 1, "messageBytes must be at least 1 (is \(messageBytes))")
        precondition(frameBytes >= 1, "frameBytes must be at least 1 (is \(frameBytes))")
        precondition(queuedMessages >= 1, "queuedMessages must be at least 1 (is \(queuedMessages))")
        precondition(queuedBytes >= 1, "queuedBytes must be at least 1 (is \(queuedBytes))")
        self.messageBytes = messageBytes
        self.frameBytes = frameBytes
        self.queuedMessages = queuedMessages
        self.queuedBytes = queuedBytes
    }
}
