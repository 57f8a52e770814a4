// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import SluiceWebSocket

@Suite("Frames and messages")
struct WireTests {
    /// What one who echoes answers, without a network.
    static func answers(to wire: WireCase, as role: Role, piece: Int) -> [String] {
        var reader = MessageReader(
            role: role, limits: WireCases.limits, inflater: wire.compression?.inflater(for: role))
        var answers: [String] = []
        let bytes = wire.bytes(from: role == .server ? .client : .server)
        var start = 0
        do throws(ProtocolFailure) {
            while start < bytes.count {
                var input = ByteBuffer(bytes: bytes[start..<min(start + piece, bytes.count)])
                start += piece
                while let event = try reader.next(&input) {
                    switch event {
                    case .message(let message): answers.append(WireCase.summary(message))
                    case .ping(let payload): answers.append("pong:\(String(buffer: payload))")
                    case .pong: break
                    case .close(let code, _): answers.append("close:\(code)")
                    }
                }
            }
        } catch {
            answers.append("close:\(error.code)")
        }
        return answers
    }

    @Test("are read alike however they are cut", arguments: [Role.server, .client])
    func cuts(role: Role) {
        for wire in WireCases.all {
            #expect(Self.answers(to: wire, as: role, piece: .max) == wire.answers, "\(wire)")
            #expect(Self.answers(to: wire, as: role, piece: 7) == wire.answers, "\(wire), seven bytes at a time")
            if wire.bytes(from: .client).count < 10_000 {
                #expect(Self.answers(to: wire, as: role, piece: 1) == wire.answers, "\(wire), a byte at a time")
            }
        }
        #expect(WireCases.all.count > 200)
        #expect(Set(WireCases.all.map(\.name)).count == WireCases.all.count)
    }

    @Test("refuse text at its first wrong byte, not at the end of a large frame")
    func failsFast() {
        var reader = MessageReader(role: .client, limits: WireCases.limits)
        let frame = WireFrame(opcode: 1, payload: [0x61, 0xFF], claimedLength: 60_000)
        var input = ByteBuffer(bytes: frame.bytes(from: .server))
        #expect(throws: ProtocolFailure.notText) { try reader.next(&input) }
    }

    @Test("take no memory for what a header promises")
    func promises() throws {
        var reader = MessageReader(role: .client, limits: WireCases.limits)
        var input = ByteBuffer(bytes: WireFrame(opcode: 2, payload: [1], claimedLength: 60_000).bytes(from: .server))
        #expect(try reader.next(&input) == nil)
        #expect(!reader.isBetweenMessages)
        #expect(input.readableBytes == 0)
    }

    @Test("are written so that they can be read again", arguments: [Role.server, .client], [0, 9, 12, 15])
    func roundTrip(role: Role, bits: Int) throws {
        let deflater = bits == 0 ? nil : Deflater(windowBits: bits, keepsWindow: true, effort: .init())
        let inflater = bits == 0 ? nil : Inflater(windowBits: bits, keepsWindow: true)
        var writer = FrameWriter(role: role, deflater: deflater)
        var reader = MessageReader(
            role: role == .client ? .server : .client, limits: WebSocketLimits(), inflater: inflater)
        for count in [0, 1, 5, 125, 126, 1_000, 65_535, 65_536, 300_000] {
            let text = String((0..<count).map { _ in Character(Unicode.Scalar(UInt8.random(in: 32...126))) })
            for message in [WebSocketMessage.text(text), .binary(ByteBuffer(string: text))] {
                var wire = ByteBuffer()
                writer.write(message, into: &wire)
                #expect(try reader.next(&wire) == .message(message))
                #expect(try reader.next(&wire) == nil)
            }
        }
    }

    @Test("that are fragments make one message", arguments: [false, true])
    func fragments(isCompressed: Bool) throws {
        let deflater = isCompressed ? Deflater(windowBits: 12, keepsWindow: true, effort: .init()) : nil
        var writer = FrameWriter(role: .server, deflater: deflater)
        var reader = MessageReader(
            role: .client, limits: WebSocketLimits(),
            inflater: isCompressed ? Inflater(windowBits: 12, keepsWindow: true) : nil)
        for _ in 0..<3 {
            var wire = ByteBuffer()
            for part in ["one ", "", "two ", "three"] {
                writer.writeFragment(isText: true, ByteBuffer(string: part), isLast: false, into: &wire)
            }
            writer.writeControl(.ping, ByteBuffer(), into: &wire)
            writer.writeFragment(isText: true, ByteBuffer(), isLast: true, into: &wire)
            #expect(try reader.next(&wire) == .ping(ByteBuffer()))
            #expect(try reader.next(&wire) == .message(.text("one two three")))
        }
    }

    @Test("close with a code that may be sent, and a reason cut at a character")
    func closeFrames() throws {
        var writer = FrameWriter(role: .server)
        var reader = MessageReader(role: .client, limits: WebSocketLimits())
        var wire = ByteBuffer()
        writer.writeClose(.goingAway, String(repeating: "ü", count: 100), into: &wire)
        #expect(try reader.next(&wire) == .close(.goingAway, String(repeating: "ü", count: 61)))
        for code in [WebSocketCloseCode.noStatus, .abnormal, .tlsFailure] {
            var wire = ByteBuffer()
            writer.writeClose(code, "", into: &wire)
            #expect(Array(wire.readableBytesView) == [0x88, 0x00])
        }
    }

    @Test("of a client are masked, each with a key of its own")
    func masked() {
        var writer = FrameWriter(role: .client)
        let keys = (0..<100).map { _ in
            var wire = ByteBuffer()
            writer.write(.text("a"), into: &wire)
            return Array(wire.readableBytesView[2..<6])
        }
        #expect(Set(keys).count > 95)
    }
}
