// SPDX-License-Identifier: Apache-2.0
public import NIOCore

/// One whole message, however many frames it came in.
public enum WebSocketMessage: Sendable, Hashable {
    /// Text.
    case text(String)
    /// Bytes.
    case binary(ByteBuffer)

    /// How many bytes it has before compression.
    public var byteCount: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .binary(let bytes): bytes.readableBytes
        }
    }

    /// The text, or nil if it is binary.
    public var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// The bytes, or nil if it is text.
    public var binary: ByteBuffer? {
        if case .binary(let bytes) = self { bytes } else { nil }
    }
}
