// SPDX-License-Identifier: Apache-2.0
import NIOCore
import SluiceWebSocket

/// One frame as a test writes it, right or wrong.
struct WireFrame: Sendable {
    var opcode: UInt8
    var payload: [UInt8] = []
    var isFinal = true
    /// RSV1, RSV2 and RSV3 as 4, 2 and 1.
    var reserved: UInt8 = 0
    /// The length that the header claims, if it is not the payload's.
    var claimedLength: UInt64?
    /// 2 or 8 to write the length in so many bytes however short it is.
    var lengthBytes: Int?
    /// Masked although it must not be, or the other way round.
    var hasWrongMasking = false

    func bytes(from role: Role) -> [UInt8] {
        let length = self.claimedLength ?? UInt64(self.payload.count)
        let width = self.lengthBytes ?? (length < 126 ? 0 : length <= 0xFFFF ? 2 : 8)
        let isMasked = (role == .client) != self.hasWrongMasking
        var bytes: [UInt8] = [(self.isFinal ? 0x80 : 0) | self.reserved << 4 | self.opcode]
        bytes.append((isMasked ? 0x80 : 0) | (width == 0 ? UInt8(length) : width == 2 ? 126 : 127))
        for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: length >> UInt64(8 * (width - 1 - index)))) }
        guard isMasked else { return bytes + self.payload }
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        return bytes + key + self.payload.enumerated().map { $1 ^ key[$0 % 4] }
    }

    static func text(_ text: String, final isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: 1, payload: Array(text.utf8), isFinal: isFinal)
    }

    static func close(_ code: UInt16, _ reason: [UInt8] = []) -> WireFrame {
        WireFrame(opcode: 8, payload: [UInt8(code >> 8), UInt8(code & 0xFF)] + reason)
    }
}

/// What a peer sends, and what one who echoes must answer, to the last frame.
struct WireCase: Sendable, CustomStringConvertible {
    let name: String
    let frames: [WireFrame]
    /// `text:…`, `binary:N:S` (length and sum), `pong:…` and `close:code`, in order.
    let answers: [String]
    /// Nil without compression.
    var compression: AgreedCompression?

    var description: String { self.name }
    /// Whether the peer does nothing wrong.
    var isGood: Bool { self.answers.last == "close:1000" }

    func bytes(from role: Role) -> [UInt8] { self.frames.flatMap { $0.bytes(from: role) } }

    /// Right frames, after which the peer closes with 1000.
    static func good(
        _ name: String, _ frames: [WireFrame], _ answers: [String], _ compression: AgreedCompression? = nil
    ) -> WireCase {
        WireCase(
            name: name, frames: frames + [.close(1_000)], answers: answers + ["close:1000"], compression: compression)
    }

    /// Frames that end the connection with `code`; a message behind them must not be answered.
    static func bad(
        _ name: String, _ code: UInt16, _ frames: [WireFrame], _ answers: [String] = [],
        _ compression: AgreedCompression? = nil
    ) -> WireCase {
        WireCase(
            name: name, frames: frames + [.text("too late")], answers: answers + ["close:\(code)"],
            compression: compression)
    }

    static func summary(_ message: WebSocketMessage) -> String {
        switch message {
        case .text(let text) where text.utf8.count <= 200: "text:\(text)"
        case .text(let text): "text:\(text.utf8.count):\(Self.sum(Array(text.utf8)))"
        case .binary(let bytes): "binary:\(bytes.readableBytes):\(Self.sum(Array(bytes.readableBytesView)))"
        }
    }

    static func sum(_ bytes: [UInt8]) -> UInt32 { bytes.reduce(17) { $0 &* 31 &+ UInt32($1) } }

    static func text(_ bytes: [UInt8]) -> String { self.summary(.text(String(decoding: bytes, as: UTF8.self))) }
}
