// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import SluiceRedis

@Suite("RESP3 answers", .timeLimit(.minutes(5)))
struct RESPReaderTests {
    private func text(_ text: String) -> RedisValue { .string(ByteBuffer(string: text)) }

    private func read(_ bytes: String, _ limits: RedisLimits = RedisLimits()) throws -> [RESPReader.Message] {
        var reader = RESPReader(limits: limits)
        reader.append(ByteBuffer(string: bytes))
        var messages: [RESPReader.Message] = []
        while let message = try reader.next() { messages.append(message) }
        return messages
    }

    private func value(_ bytes: String) throws -> RedisValue? {
        guard case .reply(let value)? = try self.read(bytes).first else { return nil }
        return value
    }

    /// One of every type, nested, and what each is.
    private var everything: (bytes: String, messages: [RESPReader.Message]) {
        let lines = [
            "+OK", "$5", "he\u{0}lo", "$0", "", ":-9223372036854775808", ",3.25", ",-inf", "#t", "_",
            "(-12345678901234567890", "=7", "txt:abc", "$-1", "*-1", ">2", "+invalidate", "*1", "$1", "k", "*3", ":1",
            "~2",
            "+a", "_", "%1", "+k", "*0", "|1", "+ttl", ":9", ":7", "!8", "ERR oops", "-WRONGTYPE no", "%0", "",
        ]
        let map = RedisValue.map([.init(key: self.text("k"), value: .array([]))])
        let values: [RedisValue] = [
            self.text("OK"), self.text("he\u{0}lo"), self.text(""), .integer(.min), .double(3.25), .double(-.infinity),
            .boolean(true), .null, .bigNumber("-12345678901234567890"), self.text("abc"), .null, .null,
        ]
        let rest: [RedisValue] = [
            .array([.integer(1), .set([self.text("a"), .null]), map]), .integer(7),
            .error(RedisError(reply: "ERR oops")), .error(RedisError(reply: "WRONGTYPE no")), .map([]),
        ]
        let push = RESPReader.Message.push([self.text("invalidate"), .array([self.text("k")])])
        return (lines.joined(separator: "\r\n"), values.map { .reply($0) } + [push] + rest.map { .reply($0) })
    }

    @Test("every type is read, wherever the network cuts it")
    func everyType() throws {
        let (bytes, expected) = self.everything
        #expect(try self.read(bytes) == expected)
        for size in [1, 2, 3, 7, 16] {
            var reader = RESPReader(limits: RedisLimits())
            var messages: [RESPReader.Message] = []
            var rest = Array(bytes.utf8)[...]
            while !rest.isEmpty {
                reader.append(ByteBuffer(bytes: rest.prefix(size)))
                rest = rest.dropFirst(size)
                while let message = try reader.next() { messages.append(message) }
            }
            #expect(messages == expected, "in pieces of \(size)")
        }
    }

    @Test("an attribute says something about the value behind it and is none itself")
    func attributes() throws {
        #expect(try self.value("|1\r\n+ttl\r\n:3600\r\n:7\r\n") == .integer(7))
        #expect(try self.value("*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n:9\r\n:2\r\n") == .array([.integer(1), .integer(2)]))
        #expect(try self.value("|0\r\n:7\r\n") == .integer(7))
    }

    @Test(
        "what is no RESP3 is refused",
        arguments: [
            "?\r\n", "\r\n", "OK\r\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n", ":- 1\r\n", ",0x10\r\n", ",\r\n",
            ",infinity\r\n", "#x\r\n", "_x\r\n", "(1.5\r\n", "$-2\r\n", "$3\r\nabcde", "$?\r\n", "*?\r\n", "*-2\r\n",
            "%-1\r\n",
            "=3\r\nabc\r\n", "=4\r\nabcd\r\n", "+a\rb\r\n", "*1\r\n>1\r\n:1\r\n", "HTTP/1.1 400 Bad Request\r\n",
        ])
    func malformed(_ bytes: String) {
        #expect(throws: RESPReader.Failure.self) { try self.read(bytes) }
    }

    @Test("what is announced is refused by its header, or takes no memory until it is there")
    func hostileSizes() throws {
        let limits = RedisLimits(maximumBytes: 1_000, maximumValues: 100, maximumDepth: 4)
        for bytes in [
            "$1001\r\n", "$9223372036854775807\r\n", "$99999999999999999999\r\n", "*101\r\n", "%51\r\n",
            "*9223372036854775807\r\n", "%9223372036854775807\r\n",
            "*2\r\n$600\r\n" + String(repeating: "x", count: 600)
                + "\r\n$600\r\n",
        ] {
            #expect(throws: RESPReader.Failure.self, "\(bytes.prefix(30))") { try self.read(bytes, limits) }
        }
        #expect(try self.read("*1048576\r\n", RedisLimits()).isEmpty)
        let many = "*2\r\n" + String(repeating: "*60\r\n" + String(repeating: ":1\r\n", count: 60), count: 2)
        #expect(throws: RESPReader.Failure.self) { try self.read(many, limits) }
        // Every message has the limits to itself.
        #expect(
            try self.read(String(repeating: "$600\r\n" + String(repeating: "x", count: 600) + "\r\n", count: 9), limits)
                .count == 9)
    }

    @Test("a line without an end is refused, also byte by byte")
    func endlessLine() throws {
        var reader = RESPReader(limits: RedisLimits())
        reader.append(ByteBuffer(string: "+"))
        #expect(throws: RESPReader.Failure.self) {
            for _ in 0..<100_000 {
                reader.append(ByteBuffer(bytes: [0x61]))
                if try reader.next() != nil { Issue.record("half a line was taken for a whole one") }
            }
        }
    }

    @Test("nesting is bounded, and what is nested as deep as may be is read")
    func depth() throws {
        let limits = RedisLimits(maximumDepth: 32)
        let deep = String(repeating: "*1\r\n", count: 32)
        #expect(try self.read(deep + ":1\r\n", limits).count == 1)
        #expect(throws: RESPReader.Failure.self) { try self.read(deep + "*1\r\n:1\r\n", limits) }
        #expect(throws: RESPReader.Failure.self) { try self.read(String(repeating: "*1\r\n", count: 100_000), limits) }
        #expect(throws: RESPReader.Failure.self) { try self.read(String(repeating: "|1\r\n", count: 100_000), limits) }
    }

    @Test("commands are arrays of strings, whatever bytes they hold")
    func commands() {
        let bytes = RESPWriter.command("SET", ["k\r\n", RedisArgument(ByteBuffer(bytes: [0, 255])), 42, "é"])
        let expected =
            Array("*5\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$2\r\n".utf8) + [0, 255]
            + Array("\r\n$2\r\n42\r\n$2\r\né\r\n".utf8)
        #expect(Array(bytes.readableBytesView) == expected)
    }
}
