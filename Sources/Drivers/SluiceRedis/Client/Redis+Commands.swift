// SPDX-License-Identifier: Apache-2.0
public import NIOCore
import Sluice

// Commands with typed answers; `send` takes all others.
extension Redis {
    /// Answers if the server does.
    public func ping() async throws { try await self.send("PING", isIdempotent: true) }

    /// The string under a key; nil if there is none.
    public func get(_ key: String) async throws -> ByteBuffer? {
        try await Self.bytes(self.send("GET", [RedisArgument(key)], isIdempotent: true), "GET")
    }

    /// The strings under keys, in their order; nil where there is none.
    public func get(_ keys: [String]) async throws -> [ByteBuffer?] {
        guard !keys.isEmpty else { return [] }
        let answer = try await self.send("MGET", keys.map { RedisArgument($0) }, isIdempotent: true)
        guard let values = answer.elements, values.count == keys.count else {
            throw RedisError.unexpected(answer, to: "MGET")
        }
        return try values.map { try Self.bytes($0, "MGET") }
    }

    /// Keeps a string under a key, in place of what is there.
    ///
    /// - Parameter lifetime: When the server drops it, rounded down to milliseconds and at least one; nil for never.
    public func set(_ key: String, to value: RedisArgument, for lifetime: Duration? = nil) async throws {
        let expiry: [RedisArgument] = lifetime.map { ["PX", RedisArgument(Self.milliseconds($0))] } ?? []
        try await self.send("SET", [RedisArgument(key), value] + expiry)
    }

    /// Drops keys, whatever they hold; the server frees large values in the background.
    ///
    /// - Returns: How many there were.
    @discardableResult
    public func delete(_ keys: [String]) async throws -> Int {
        guard !keys.isEmpty else { return 0 }
        return try await Self.count(self.send("UNLINK", keys.map { RedisArgument($0) }), "UNLINK")
    }

    /// Every field of a hash with its value, in no order; nothing if there is no such key.
    ///
    /// - Returns: Fields that are not UTF-8 are left out.
    public func fields(of key: String) async throws -> [String: ByteBuffer] {
        let answer = try await self.send("HGETALL", [RedisArgument(key)], isIdempotent: true)
        guard let entries = answer.entries else { throw RedisError.unexpected(answer, to: "HGETALL") }
        var fields: [String: ByteBuffer] = [:]
        for entry in entries {
            guard let name = entry.key.bytes.flatMap({ String(validating: $0.readableBytesView, as: UTF8.self) }) else {
                continue
            }
            fields[name] = entry.value.bytes
        }
        return fields
    }

    /// Drops fields of a hash.
    ///
    /// - Returns: How many there were.
    @discardableResult
    public func removeFields(_ fields: [String], of key: String) async throws -> Int {
        guard !fields.isEmpty else { return 0 }
        let arguments = [RedisArgument(key)] + fields.map { RedisArgument($0) }
        return try await Self.count(self.send("HDEL", arguments), "HDEL")
    }

    /// Calls `body` with the keys that begin with a prefix, some hundred at a time.
    ///
    /// The server looks at every key it has, a part of them at a time. What is there all along comes at least once.
    public func forEachKey(withPrefix prefix: String, _ body: ([String]) async throws -> Void) async throws {
        var cursor = "0"
        repeat {
            let arguments: [RedisArgument] = [
                RedisArgument(cursor), "MATCH", RedisArgument(Self.pattern(prefix)), "COUNT", 500,
            ]
            let answer = try await self.send("SCAN", arguments, isIdempotent: true)
            guard let parts = answer.elements, parts.count == 2, let next = parts[0].text, let keys = parts[1].elements
            else { throw RedisError.unexpected(answer, to: "SCAN") }
            cursor = next
            if !keys.isEmpty { try await body(keys.compactMap(\.text)) }
        } while cursor != "0"
    }

    /// A pattern for what begins with a prefix, which may itself hold the characters of patterns.
    static func pattern(_ prefix: String) -> String {
        var pattern = ""
        for character in prefix {
            if "\\*?[]^-".contains(character) { pattern.append("\\") }
            pattern.append(character)
        }
        return pattern + "*"
    }

    static func milliseconds(_ duration: Duration) -> Int64 { max(1, duration.clampedNanoseconds / 1_000_000) }

    private static func bytes(_ answer: RedisValue, _ command: String) throws(RedisError) -> ByteBuffer? {
        if answer.isNull { return nil }
        guard let bytes = answer.bytes else { throw RedisError.unexpected(answer, to: command) }
        return bytes
    }

    private static func count(_ answer: RedisValue, _ command: String) throws(RedisError) -> Int {
        guard case .integer(let count) = answer else { throw RedisError.unexpected(answer, to: command) }
        return Int(count)
    }
}
