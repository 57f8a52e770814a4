// SPDX-License-Identifier: Apache-2.0

/// What one side offers or accepts of permessage-deflate.
///
/// By default both windows are 4 KiB, which costs a connection that has sent and received about 40 KiB and not the 300 KiB of
/// zlib's own defaults.
///
/// - Source: RFC 7692 §7.1, whose four parameters have their names here.
public struct WebSocketCompression: Sendable, Hashable {
    /// What zlib is told about time and memory.
    public struct Effort: Sendable, Hashable {
        /// From 1, fast, to 9, small.
        public let level: Int
        /// From 1, small, to 9, fast: zlib takes 2 to the power of this plus 9 bytes.
        public let memoryLevel: Int

        /// Creates an effort.
        public init(level: Int = 6, memoryLevel: Int = 5) {
            precondition((1...9).contains(level), "level must be in 1...9 (is \(level))")
            precondition((1...9).contains(memoryLevel), "memoryLevel must be in 1...9 (is \(memoryLevel))")
            self.level = level
            self.memoryLevel = memoryLevel
        }
    }

    /// Whether the server's messages must not refer to those before them.
    public let serverNoContextTakeover: Bool
    /// Whether the client's messages must not refer to those before them.
    public let clientNoContextTakeover: Bool
    /// The logarithm of the server's window, 8 to 15.
    ///
    /// With 8 the server sends uncompressed, since zlib cannot deflate with so small a window.
    public let serverMaxWindowBits: Int
    /// The logarithm of the client's window, 8 to 15; with 8 the client sends uncompressed.
    public let clientMaxWindowBits: Int
    /// Messages of fewer bytes are sent as they are; at least 1.
    public let threshold: Int
    /// What zlib is told about time and memory.
    public let effort: Effort

    /// Creates an offer.
    public init(
        serverNoContextTakeover: Bool = false, clientNoContextTakeover: Bool = false, serverMaxWindowBits: Int = 12,
        clientMaxWindowBits: Int = 12, threshold: Int = 256, effort: Effort = Effort()
    ) {
        precondition((8...15).contains(serverMaxWindowBits), "serverMaxWindowBits must be in 8...15")
        precondition((8...15).contains(clientMaxWindowBits), "clientMaxWindowBits must be in 8...15")
        precondition(threshold >= 1, "threshold must be at least 1 (is \(threshold))")
        self.serverNoContextTakeover = serverNoContextTakeover
        self.clientNoContextTakeover = clientNoContextTakeover
        self.serverMaxWindowBits = serverMaxWindowBits
        self.clientMaxWindowBits = clientMaxWindowBits
        self.threshold = threshold
        self.effort = effort
    }
}
