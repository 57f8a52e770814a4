// SPDX-License-Identifier: Apache-2.0
import NIOCore

@testable import SluiceWebSocket

extension WireCases {
    private static let window = AgreedCompression()
    private static let small: AgreedCompression = {
        var agreed = AgreedCompression()
        agreed.clientMaxWindowBits = 9
        agreed.serverMaxWindowBits = 9
        return agreed
    }()
    private static let forgetful: AgreedCompression = {
        var agreed = AgreedCompression()
        agreed.clientNoContextTakeover = true
        agreed.serverNoContextTakeover = true
        return agreed
    }()

    /// Messages deflated one after the other, as one peer would.
    private static func deflated(_ texts: [String], _ bits: Int = 15, keeping: Bool = true) -> [[UInt8]] {
        let deflater = Deflater(windowBits: bits, keepsWindow: keeping, effort: .init())
        return texts.map { text in
            var output = ByteBuffer()
            _ = Array(text.utf8).withUnsafeBytes { deflater.deflate($0, into: &output, isLast: true) }
            return Array(output.readableBytesView)
        }
    }

    private static func packed(_ bytes: [UInt8], opcode: UInt8 = 1, final isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: opcode, payload: bytes, isFinal: isFinal, reserved: 4)
    }

    private static func split(_ bytes: [UInt8]) -> [WireFrame] {
        bytes.enumerated().map { index, byte in
            WireFrame(
                opcode: index == 0 ? 1 : 0, payload: [byte], isFinal: index == bytes.count - 1,
                reserved: index == 0 ? 4 : 0)
        }
    }

    private static let poem = String(repeating: "the quick brown fox jumps over the lazy dog; ", count: 20)
    private static var poemAnswer: String { WireCase.text(Array(poem.utf8)) }

    static let compressed: [WireCase] = plain + sizes + wrong + [bomb]

    private static let plain: [WireCase] = [
        .good("a compressed text", deflated([poem]).map { packed($0) }, [poemAnswer], window),
        .good(
            "one that refers to the one before", deflated([poem, poem]).map { packed($0) }, [poemAnswer, poemAnswer],
            window),
        .good("a window of 512 bytes", deflated([poem, poem], 9).map { packed($0) }, [poemAnswer, poemAnswer], small),
        .good(
            "no reference to the one before", deflated([poem, poem], keeping: false).map { packed($0) },
            [poemAnswer, poemAnswer], forgetful),
        .good(
            "a plain text among compressed ones", [.text("a")] + deflated([poem]).map { packed($0) } + [.text("b")],
            ["text:a", poemAnswer, "text:b"], window),
        .good("compressed, in fragments of a byte", split(deflated([poem])[0]), [poemAnswer], window),
        .good(
            "a ping in a compressed message",
            [
                packed(Array(deflated([poem])[0].prefix(10)), final: false), WireFrame(opcode: 9, payload: [80]),
                WireFrame(opcode: 0, payload: Array(deflated([poem])[0].dropFirst(10))),
            ],
            ["pong:P", poemAnswer], window),
        .good("an empty block", [packed([0x00])], ["text:"], window),
        .good("an empty block of fixed codes", [packed([0x02, 0x00])], ["text:"], window),
        .good("a stored block", [packed([0x00, 0x02, 0x00, 0xFD, 0xFF, 0x68, 0x69, 0x00])], ["text:hi"], window),
        // RFC 7692 §7.2.3.5: the stream's last block, and then an empty one.
        .good("a final block", [packed([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00])], ["text:Hello"], window),
        .good(
            "a final block, and another message",
            [
                packed([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]),
                packed([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]),
            ],
            ["text:Hello", "text:Hello"], window),
        // RFC 7692 §7.2.3.2: the second refers to the first.
        .good(
            "the RFC's own example",
            [packed([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]), packed([0xF2, 0x00, 0x11, 0x00, 0x00])],
            ["text:Hello", "text:Hello"], window),
        .good(
            "two blocks in one message",
            [packed([0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00])],
            ["text:Hello"], window),
        .good(
            "compressed binary", deflated([poem]).map { packed($0, opcode: 2) },
            [WireCase.summary(.binary(ByteBuffer(string: poem)))], window),
    ]

    private static let sizes: [WireCase] = [1, 2, 100, 4_096, 32_768, 65_536, 70_000].map { count -> WireCase in
        let bytes = (0..<count).map { (index: Int) -> UInt8 in UInt8((index * index / 7) % 95 + 32) }
        let text = String(decoding: bytes, as: UTF8.self)
        return .good(
            "a compressed text of \(count)", deflated([text]).map { packed($0) }, [WireCase.text(Array(text.utf8))],
            window)
    }

    private static let wrong: [WireCase] = [
        .bad("compressed without an agreement", 1_002, [packed([0x00])]),
        .bad("a compressed ping", 1_002, [packed([], opcode: 9)], [], window),
        .bad("a compressed close", 1_002, [packed([], opcode: 8)], [], window),
        .bad(
            "a compressed continuation", 1_002,
            [packed([0x00], final: false), WireFrame(opcode: 0, payload: [0], reserved: 4)], [], window),
        .bad(
            "a compressed continuation of a plain text", 1_002,
            [.text("a", final: false), WireFrame(opcode: 0, payload: [0], reserved: 4)], [], window),
        .bad("RSV2 beside RSV1", 1_002, [WireFrame(opcode: 1, payload: [0], reserved: 6)], [], window),
        .bad("RSV3 beside RSV1", 1_002, [WireFrame(opcode: 1, payload: [0], reserved: 5)], [], window),
        .bad("a reserved kind of block", 1_007, [packed([0x07, 0xFF, 0xFF])], [], window),
        .bad("a stored block of a wrong length", 1_007, [packed([0x00, 0x05, 0x00, 0x00, 0x00])], [], window),
        .bad("a reference to before the beginning", 1_007, [packed([0xF2, 0x00, 0x11, 0x00, 0x00])], [], window),
        .bad(
            "a reference that a window was agreed not to reach", 1_007,
            deflated([poem, poem]).map { packed($0) }, [poemAnswer], forgetful),
        .bad(
            "compressed bytes that are no text", 1_007, [packed([0x00, 0x01, 0x00, 0xFE, 0xFF, 0xFF, 0x00])], [], window
        ),
        .bad(
            "a compressed text cut in a character", 1_007, [packed([0x00, 0x01, 0x00, 0xFE, 0xFF, 0xC3, 0x00])], [],
            window),
    ]

    /// A hundred bytes of which each stands for a thousand.
    private static let bomb: WireCase = .bad(
        "a bomb", 1_009, deflated([String(repeating: "a", count: 200_000)]).map { packed($0) }, [], window)
}
