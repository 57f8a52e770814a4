// SPDX-License-Identifier: Apache-2.0
import NIOCore
import SluiceWebSocket

/// After RFC 6455 and RFC 7692: some hundred things that a peer may do right or wrong.
enum WireCases {
    static let limits = WebSocketLimits(messageBytes: 70_000, frameBytes: 70_000)

    static let all: [WireCase] =
        lengths + controls + reservedBits + opcodes + fragments + validText + invalidText + closing + oversize
        + compressed

    private static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 95 + 32) } }

    private static let lengths: [WireCase] =
        [0, 1, 7, 8, 9, 125, 126, 127, 128, 65_535, 65_536, 65_537, 70_000].flatMap { (count: Int) -> [WireCase] in
            let bytes = pattern(count)
            return [
                .good("text of \(count)", [WireFrame(opcode: 1, payload: bytes)], [WireCase.text(bytes)]),
                .good(
                    "binary of \(count)", [WireFrame(opcode: 2, payload: bytes)],
                    [WireCase.summary(.binary(ByteBuffer(bytes: bytes)))]),
            ]
        }

    private static let controls: [WireCase] =
        [0, 1, 124, 125].map { count in
            .good(
                "ping of \(count)", [WireFrame(opcode: 9, payload: pattern(count))],
                ["pong:\(String(decoding: pattern(count), as: UTF8.self))"])
        } + [
            .bad("ping of 126", 1_002, [WireFrame(opcode: 9, payload: pattern(126))]),
            .bad("pong of 126", 1_002, [WireFrame(opcode: 10, payload: pattern(126))]),
            .bad("close of 126", 1_002, [.close(1_000, pattern(124))]),
            .bad("ping with a long length", 1_002, [WireFrame(opcode: 9, claimedLength: 5, lengthBytes: 2)]),
            .good("pong nobody asked for", [WireFrame(opcode: 10, payload: pattern(8)), .text("a")], ["text:a"]),
            .good(
                "ten pings", (0..<10).map { WireFrame(opcode: 9, payload: [UInt8(48 + $0)]) },
                (0..<10).map { "pong:\($0)" }),
            .good(
                "ping between messages", [.text("a"), WireFrame(opcode: 9), .text("b")], ["text:a", "pong:", "text:b"]),
            .bad("ping in fragments", 1_002, [WireFrame(opcode: 9, payload: [65], isFinal: false)]),
            .bad("pong in fragments", 1_002, [WireFrame(opcode: 10, isFinal: false)]),
            .bad("close in fragments", 1_002, [WireFrame(opcode: 8, isFinal: false)]),
            .bad("a frame masked the wrong way", 1_002, [WireFrame(opcode: 1, payload: [65], hasWrongMasking: true)]),
            .bad("a ping masked the wrong way", 1_002, [WireFrame(opcode: 9, hasWrongMasking: true)]),
        ]

    private static let reservedBits: [WireCase] = (1...7).flatMap { bits -> [WireCase] in
        [1, 2, 8, 9, 10].map { (opcode: UInt8) -> WireCase in
            let frame = WireFrame(opcode: opcode, payload: [], reserved: UInt8(bits))
            return .bad("reserved bits \(bits) on opcode \(opcode)", 1_002, [.text("a"), frame], ["text:a"])
        }
    }

    private static let opcodes: [WireCase] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap {
        (opcode: UInt8) -> [WireCase] in
        [
            .bad("opcode \(opcode)", 1_002, [WireFrame(opcode: opcode)]),
            .bad(
                "opcode \(opcode) behind a text", 1_002, [.text("a"), WireFrame(opcode: opcode, payload: [1])],
                ["text:a"]),
            .bad(
                "opcode \(opcode) in a message", 1_002,
                [.text("a", final: false), WireFrame(opcode: opcode, isFinal: false)]),
        ]
    }

    private static func more(_ text: String, final isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: 0, payload: Array(text.utf8), isFinal: isFinal)
    }

    private static let fragments: [WireCase] = [
        .good("two fragments", [.text("ab", final: false), more("cd")], ["text:abcd"]),
        .good("a first fragment without bytes", [.text("", final: false), more("cd")], ["text:cd"]),
        .good("a last fragment without bytes", [.text("ab", final: false), more("")], ["text:ab"]),
        .good("fragments without bytes", [.text("", final: false), more("", final: false), more("")], ["text:"]),
        .good(
            "a ping between fragments", [.text("ab", final: false), WireFrame(opcode: 9, payload: [80]), more("cd")],
            ["pong:P", "text:abcd"]),
        .good(
            "many fragments of a byte",
            [WireFrame(opcode: 2, payload: [0], isFinal: false)]
                + (1..<500).map { WireFrame(opcode: 0, payload: [UInt8($0 % 256)], isFinal: $0 == 499) },
            [WireCase.summary(.binary(ByteBuffer(bytes: (0..<500).map { UInt8($0 % 256) })))]),
        .good(
            "two messages in fragments",
            [.text("a", final: false), more("b"), .text("c", final: false), more("d")], ["text:ab", "text:cd"]),
        .bad("a continuation of nothing", 1_002, [more("a")]),
        .bad("a continuation of nothing, not final", 1_002, [more("a", final: false)]),
        .bad("a continuation after a whole message", 1_002, [.text("a"), more("b")], ["text:a"]),
        .bad("a text in a message", 1_002, [.text("a", final: false), .text("b")]),
        .bad("binary in a message", 1_002, [.text("a", final: false), WireFrame(opcode: 2, payload: [1])]),
        .bad("a text that begins in a message", 1_002, [.text("a", final: false), .text("b", final: false)]),
        WireCase(
            name: "a close in a message", frames: [.text("a", final: false), .close(1_000)], answers: ["close:1000"]),
    ]

    /// Each whole, and each in fragments of a byte.
    private static func textCases(_ name: String, _ bytes: [UInt8], isValid: Bool) -> [WireCase] {
        let whole = [WireFrame(opcode: 1, payload: bytes)]
        let split = bytes.enumerated().map { index, byte in
            WireFrame(opcode: index == 0 ? 1 : 0, payload: [byte], isFinal: index == bytes.count - 1)
        }
        guard isValid else { return [.bad(name, 1_007, whole), .bad(name + " in fragments", 1_007, split)] }
        let answer = [WireCase.text(bytes)]
        return [.good(name, whole, answer), .good(name + " in fragments", split, answer)]
    }

    private static let validText: [WireCase] = [
        "\u{0}", "\u{7F}", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FEFF}", "\u{FFFD}", "\u{FFFE}",
        "\u{FFFF}", "\u{10000}", "\u{1FFFE}", "\u{3FFFF}", "\u{FFFFF}", "\u{10FFFF}", "κόσμε", "日本語テキスト", "👩‍👩‍👧‍👦 family",
        "12345678ü12345678ü", "1234567€", "aaaaaaa\u{10FFFF}bbbbbbbbb",
    ].flatMap {
        textCases("the text \($0.unicodeScalars.map { String($0.value, radix: 16) })", Array($0.utf8), isValid: true)
    }

    private static let invalidText: [WireCase] = [
        [0x80], [0xBF], [0xC0], [0xC1, 0x81], [0xC0, 0x80], [0xC2], [0xC2, 0x41], [0xC2, 0xC2], [0xDF, 0xC0],
        [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE1, 0x80], [0xE1, 0x80, 0x41], [0xED, 0xA0, 0x80],
        [0xED, 0xBF, 0xBF],
        [0xED, 0xA0, 0x80, 0xED, 0xB0, 0x80], [0xEF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
        [0xF0, 0x90, 0x80], [0xF1, 0x80, 0x80, 0x41], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
        [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        [0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0xFF], Array("12345678ü1234567".utf8) + [0xC3],
    ].flatMap { textCases("the bytes \($0.map { String($0, radix: 16) })", $0, isValid: false) }

    private static let closing: [WireCase] =
        [
            1_000, 1_001, 1_002, 1_003, 1_007, 1_008, 1_009, 1_010, 1_011, 1_012, 1_013, 1_014, 3_000, 3_999, 4_000,
            4_999,
        ]
        .map { WireCase(name: "close \($0)", frames: [.close($0), .text("late")], answers: ["close:\($0)"]) }
        + [0, 1, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 1_100, 2_000, 2_999, 5_000, 65_535].map {
            WireCase(name: "close \($0)", frames: [.close($0)], answers: ["close:1002"])
        } + [
            WireCase(name: "close without a code", frames: [WireFrame(opcode: 8)], answers: ["close:1005"]),
            WireCase(name: "close of one byte", frames: [WireFrame(opcode: 8, payload: [3])], answers: ["close:1002"]),
            WireCase(name: "close with a reason", frames: [.close(1_000, Array("wïth".utf8))], answers: ["close:1000"]),
            WireCase(
                name: "close with the longest reason", frames: [.close(1_000, pattern(123))], answers: ["close:1000"]),
            WireCase(
                name: "close with a reason that is no text", frames: [.close(1_000, [0xCE, 0xBA, 0xED, 0xA0])],
                answers: ["close:1007"]),
            WireCase(
                name: "close with a reason cut in a character", frames: [.close(1_000, [0xC3])], answers: ["close:1007"]
            ),
            WireCase(
                name: "a ping behind a close", frames: [.close(1_000), WireFrame(opcode: 9)], answers: ["close:1000"]),
            WireCase(name: "two closes", frames: [.close(1_001), .close(1_000)], answers: ["close:1001"]),
        ]

    private static let oversize: [WireCase] = [
        .bad("a length of 16 bits that needs 7", 1_002, [WireFrame(opcode: 1, payload: pattern(125), lengthBytes: 2)]),
        .bad("a length of 64 bits that needs 7", 1_002, [WireFrame(opcode: 2, payload: [1], lengthBytes: 8)]),
        .bad("a length of 64 bits that needs 16", 1_002, [WireFrame(opcode: 2, payload: pattern(200), lengthBytes: 8)]),
        .bad("a frame one byte too large", 1_009, [WireFrame(opcode: 2, claimedLength: 70_001)]),
        .bad("a frame of 2⁶³ bytes", 1_009, [WireFrame(opcode: 2, claimedLength: 1 << 63)]),
        .bad("a frame of 2⁶⁴ - 1 bytes", 1_009, [WireFrame(opcode: 1, claimedLength: .max)]),
        .bad(
            "a message too large in fragments", 1_009,
            [
                WireFrame(opcode: 2, payload: pattern(1 << 16), isFinal: false),
                WireFrame(opcode: 0, payload: pattern(1 << 16), isFinal: false), WireFrame(opcode: 0, payload: [1]),
            ]),
    ]
}
