// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// Turns messages and control frames into what goes to the peer.
///
/// A state machine without I/O.
package struct FrameWriter {
    let role: Role
    let threshold: Int
    let deflater: Deflater?
    private var keys = MaskingKeys()
    private var scratch = ByteBuffer()
    /// Whether fragments of one message are being sent, and whether they are compressed.
    private var isStreamCompressed = false
    private var isStreamBegun = false

    /// - Parameters:
    ///   - role: A client masks, a server does not.
    ///   - deflater: Nil if nothing is to be compressed.
    ///   - threshold: Messages of fewer bytes are not compressed.
    package init(role: Role, deflater: Deflater? = nil, threshold: Int = 1) {
        self.role = role
        self.deflater = deflater
        self.threshold = threshold
    }

    /// Whether no message in fragments is under way.
    var isBetweenMessages: Bool { !self.isStreamBegun }

    /// Appends a whole message in one frame.
    ///
    /// - Returns: How many bytes its payload takes on the wire.
    @discardableResult
    package mutating func write(_ message: WebSocketMessage, into output: inout ByteBuffer) -> Int {
        switch message {
        case .text(var text):
            text.withUTF8 { self.writeMessage(.text, UnsafeRawBufferPointer($0), into: &output) }
        case .binary(let bytes):
            bytes.withUnsafeReadableBytes { self.writeMessage(.binary, $0, into: &output) }
        }
    }

    private mutating func writeMessage(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) -> Int {
        let first = 0x80 | opcode.rawValue
        if let deflater = self.deflater, payload.count >= self.threshold, payload.count > 0 {
            self.scratch.clear()
            if deflater.deflate(payload, into: &self.scratch, isLast: true) {
                self.scratch.withUnsafeReadableBytes { self.writeFrame(first | 0x40, $0, into: &output) }
                let count = self.scratch.readableBytes
                // The memory of one large message is not kept for ever.
                if self.scratch.capacity > 1 << 14 { self.scratch = ByteBuffer() }
                return count
            }
        }
        self.writeFrame(first, payload, into: &output)
        return payload.count
    }

    /// Appends a fragment of a message whose fragments come one after the other, with nothing but control frames in between.
    ///
    /// - Returns: How many bytes its payload takes on the wire.
    @discardableResult
    package mutating func writeFragment(
        isText: Bool, _ bytes: ByteBuffer, isLast: Bool, into output: inout ByteBuffer
    ) -> Int {
        var first: UInt8 = isLast ? 0x80 : 0
        if !self.isStreamBegun {
            first |= isText ? Opcode.text.rawValue : Opcode.binary.rawValue
            self.isStreamCompressed = self.deflater != nil
            if self.isStreamCompressed { first |= 0x40 }
        }
        self.isStreamBegun = !isLast
        guard self.isStreamCompressed, let deflater = self.deflater else {
            bytes.withUnsafeReadableBytes { self.writeFrame(first, $0, into: &output) }
            return bytes.readableBytes
        }
        var packed = ByteBuffer()
        if bytes.readableBytes == 0 {
            // zlib has nothing to say to nothing; an empty block, without the end that is cut off, says it for it.
            if isLast { packed.writeInteger(UInt8(0)) }
            if isLast { deflater.endMessage() }
        } else {
            _ = bytes.withUnsafeReadableBytes { deflater.deflate($0, into: &packed, isLast: isLast) }
        }
        packed.withUnsafeReadableBytes { self.writeFrame(first, $0, into: &output) }
        return packed.readableBytes
    }

    /// Appends a ping or pong; `payload` has at most 125 bytes.
    package mutating func writeControl(_ opcode: Opcode, _ payload: ByteBuffer, into output: inout ByteBuffer) {
        precondition(payload.readableBytes <= 125, "a control frame has at most 125 bytes")
        payload.withUnsafeReadableBytes { self.writeFrame(0x80 | opcode.rawValue, $0, into: &output) }
    }

    /// Appends a close frame; one without a code if `code` is not one that may be sent, and with as much of `reason` as it can hold.
    package mutating func writeClose(
        _ code: WebSocketCloseCode, _ reason: String, into output: inout ByteBuffer
    ) {
        var payload = ByteBuffer()
        if code.isSendable {
            payload.writeInteger(code.rawValue)
            payload.writeString(Self.clipped(reason, to: 123))
        }
        self.writeControl(.close, payload, into: &output)
    }

    /// As many whole characters as fit into so many bytes.
    static func clipped(_ text: String, to count: Int) -> String {
        guard text.utf8.count > count else { return text }
        var end = text.startIndex
        while end < text.endIndex {
            let next = text.index(after: end)
            guard text.utf8.distance(from: text.startIndex, to: next) <= count else { break }
            end = next
        }
        return String(text[..<end])
    }

    private mutating func writeFrame(
        _ first: UInt8, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) {
        let mask = self.role == .client ? self.keys.next() : nil
        let header = FrameHeader(first: first, mask: mask, length: UInt64(payload.count))
        let size = FrameHeader.size(length: payload.count, isMasked: mask != nil)
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: size + payload.count) { target in
            header.write(to: target)
            let body = UnsafeMutableRawBufferPointer(rebasing: target[size...])
            if let mask {
                Masking.copy(payload, to: body, key: mask)
            } else {
                body.copyMemory(from: payload)
            }
            return size + payload.count
        }
    }
}
