// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// Turns what comes from the peer, in pieces of any size, into messages and control frames.
///
/// A state machine without I/O. It holds no frame back: a payload is unmasked, inflated and checked piece by piece as it comes,
/// so a text that is not UTF-8, or a message that grows too large, is refused at its first wrong byte and not at its last. What
/// it holds never exceeds the limits, whatever a header promises.
package struct MessageReader {
    package enum Event: Equatable {
        case message(WebSocketMessage)
        case ping(ByteBuffer)
        case pong(ByteBuffer)
        /// The code is 1005 if the frame had none.
        case close(WebSocketCloseCode, String)
    }

    private enum Phase {
        /// A header comes, of which `partialHeader` came already. Becomes `payload`.
        case header
        /// So many bytes of a frame's payload came, and so many are to come. Becomes `header`.
        case payload(FrameHeader, received: Int, remaining: Int)
        /// The peer has closed or broken the protocol; what it still sends is not looked at.
        case over
    }

    private let role: Role
    private let limits: WebSocketLimits
    private let inflater: Inflater?
    private var phase = Phase.header
    private var partialHeader: [UInt8] = []
    private var message: Message?
    private var control = ByteBuffer()

    /// - Parameters:
    ///   - role: Which side we are: a server takes only masked frames, a client only unmasked ones.
    ///   - limits: How large things may become.
    ///   - inflater: Nil if compression was not agreed on.
    package init(role: Role, limits: WebSocketLimits, inflater: Inflater? = nil) {
        self.role = role
        self.limits = limits
        self.inflater = inflater
    }

    /// Whether nothing is begun: the peer could go silent for ever and owe us nothing.
    package var isBetweenMessages: Bool {
        guard case .header = self.phase, self.message == nil else { return false }
        return self.partialHeader.isEmpty
    }

    /// Takes from `input` what the next event needs; called until it returns nil, when `input` is used up.
    ///
    /// - Throws: What the peer did wrong; nothing after it is read.
    package mutating func next(_ input: inout ByteBuffer) throws(ProtocolFailure) -> Event? {
        while true {
            let step: Result<(used: Int, event: Event?), ProtocolFailure>
            step = input.withUnsafeReadableBytes { bytes in
                do throws(ProtocolFailure) {
                    return .success(try self.advance(bytes))
                } catch {
                    return .failure(error)
                }
            }
            switch step {
            case .failure(let failure):
                self.phase = .over
                self.message = nil
                throw failure
            case .success((let used, let event)):
                input.moveReaderIndex(forwardBy: used)
                if let event { return event }
                if input.readableBytes == 0 { return nil }
            }
        }
    }

    private mutating func advance(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtocolFailure) -> (used: Int, event: Event?) {
        switch self.phase {
        case .over:
            return (bytes.count, nil)
        case .header:
            guard let (header, size) = self.readHeader(bytes) else { return (bytes.count, nil) }
            let opcode = try self.check(header)
            let length = Int(header.length)
            if self.message == nil, header.isFinal, !header.isCompressed, !opcode.isControl,
                bytes.count - size >= length
            {
                let payload = UnsafeRawBufferPointer(rebasing: bytes[size..<size + length])
                return (size + length, .message(try self.wholeMessage(opcode, payload, header.mask)))
            }
            self.begin(header, opcode)
            self.phase = .payload(header, received: 0, remaining: length)
            return (size, length == 0 ? try self.finishFrame(header) : nil)
        case .payload(let header, let received, let remaining):
            let count = min(remaining, bytes.count)
            try self.take(UnsafeRawBufferPointer(rebasing: bytes[..<count]), header, received)
            self.phase = .payload(header, received: received + count, remaining: remaining - count)
            return (count, remaining == count ? try self.finishFrame(header) : nil)
        }
    }

    /// A header that may have begun in an earlier piece; the size is that of its part in `bytes`.
    private mutating func readHeader(_ bytes: UnsafeRawBufferPointer) -> (header: FrameHeader, size: Int)? {
        if self.partialHeader.isEmpty {
            if let read = FrameHeader.read(bytes) { return read }
            self.partialHeader.append(contentsOf: bytes)
            return nil
        }
        let before = self.partialHeader.count
        self.partialHeader.append(contentsOf: bytes.prefix(FrameHeader.maximumSize - before))
        guard let (header, size) = self.partialHeader.withUnsafeBytes(FrameHeader.read) else { return nil }
        self.partialHeader = []
        return (header, size - before)
    }

    /// Everything that can be said of a frame by its header alone.
    private func check(_ header: FrameHeader) throws(ProtocolFailure) -> Opcode {
        guard !header.hasUnknownReservedBits else { throw .violation("a reserved bit is set") }
        guard let opcode = header.opcode else { throw .violation("an opcode is reserved") }
        guard (header.mask != nil) == (self.role == .server) else {
            throw .violation(self.role == .server ? "a frame is not masked" : "a frame is masked")
        }
        guard header.isMinimal else { throw .violation("a length is longer than it need be") }
        if header.isCompressed {
            guard self.inflater != nil, opcode == .text || opcode == .binary else {
                throw .violation("a frame is compressed that must not be")
            }
        }
        guard !opcode.isControl else {
            guard header.isFinal else { throw .violation("a control frame is in fragments") }
            guard header.length <= 125 else { throw .violation("a control frame is longer than 125 bytes") }
            if opcode == .close, header.length == 1 { throw .violation("a close code is cut short") }
            return opcode
        }
        if opcode == .continuation, self.message == nil { throw .violation("a continuation continues nothing") }
        if opcode != .continuation, self.message != nil { throw .violation("a message begins inside another") }
        guard header.length <= UInt64(self.limits.frameBytes) else { throw .frameTooLarge }
        if !(self.message?.isCompressed ?? header.isCompressed) {
            let sum = header.length + UInt64(self.message?.bytes.readableBytes ?? 0)
            guard sum <= UInt64(self.limits.messageBytes) else { throw .messageTooLarge }
        }
        return opcode
    }

    private mutating func begin(_ header: FrameHeader, _ opcode: Opcode) {
        switch opcode {
        case .text, .binary: self.message = Message(isText: opcode == .text, isCompressed: header.isCompressed)
        case .continuation: break
        case .close, .ping, .pong: self.control = ByteBuffer()
        }
    }

    /// A message that lies whole in what was read, as most do: one copy, one allocation.
    private func wholeMessage(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ mask: UInt32?
    ) throws(ProtocolFailure) -> WebSocketMessage {
        guard opcode == .text else {
            var bytes = ByteBufferAllocator().buffer(capacity: payload.count)
            bytes.append(payload, mask: mask, offset: 0)
            return .binary(bytes)
        }
        var isValid = true
        let text = String(unsafeUninitializedCapacity: payload.count) { target in
            let target = UnsafeMutableRawBufferPointer(target)
            Masking.copy(payload, to: target, key: mask ?? 0)
            var validator = UTF8Validator()
            let copied = UnsafeRawBufferPointer(rebasing: target[..<payload.count])
            isValid = validator.feed(copied) && validator.isAtBoundary
            return isValid ? payload.count : 0
        }
        guard isValid else { throw .notText }
        return .text(text)
    }

    /// Takes a piece of a payload.
    private mutating func take(
        _ piece: UnsafeRawBufferPointer, _ header: FrameHeader, _ offset: Int
    ) throws(ProtocolFailure) {
        guard header.opcode?.isControl == false else {
            return self.control.append(piece, mask: header.mask, offset: offset)
        }
        // Taken out, so that its bytes have one owner and are not copied.
        guard var message = self.message.take() else { return }
        defer { self.message = message }
        guard message.isCompressed else {
            message.bytes.append(piece, mask: header.mask, offset: offset)
            return try message.checkText(last: piece.count)
        }
        let plain = ByteBuffer.unmasked(piece, mask: header.mask, offset: offset)
        try self.inflate(plain, into: &message)
    }

    private func inflate(_ piece: ByteBuffer, into message: inout Message) throws(ProtocolFailure) {
        guard let inflater = self.inflater else { return }
        let before = message.bytes.readableBytes
        switch inflater.inflate(piece, into: &message.bytes, limit: self.limits.messageBytes) {
        case .done: try message.checkText(last: message.bytes.readableBytes - before)
        case .tooLarge: throw .messageTooLarge
        case .damaged: throw .damaged
        }
    }

    private mutating func finishFrame(_ header: FrameHeader) throws(ProtocolFailure) -> Event? {
        self.phase = .header
        switch header.opcode {
        case .ping: return .ping(self.takeControl())
        case .pong: return .pong(self.takeControl())
        case .close:
            self.phase = .over
            return try Self.close(self.takeControl())
        case .text, .binary, .continuation, nil:
            guard header.isFinal, var message = self.message.take() else { return nil }
            if message.isCompressed {
                try self.inflate(Inflater.messageEnd, into: &message)
                self.inflater?.endMessage()
            }
            guard message.isText else { return .message(.binary(message.bytes)) }
            guard message.validator.isAtBoundary else { throw .notText }
            return .message(.text(String(buffer: message.bytes)))
        }
    }

    private mutating func takeControl() -> ByteBuffer {
        defer { self.control = ByteBuffer() }
        return self.control
    }

    private static func close(_ payload: ByteBuffer) throws(ProtocolFailure) -> Event {
        var payload = payload
        guard let number = payload.readInteger(as: UInt16.self) else { return .close(.noStatus, "") }
        let code = WebSocketCloseCode(rawValue: number)
        guard code.isSendable else { throw .violation("a close code must not be sent") }
        var validator = UTF8Validator()
        guard payload.withUnsafeReadableBytes({ validator.feed($0) }), validator.isAtBoundary else { throw .notText }
        return .close(code, String(buffer: payload))
    }
}
