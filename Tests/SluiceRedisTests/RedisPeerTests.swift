// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import Testing

@testable import SluiceRedis

@Suite("Redis beside another client", .timeLimit(.minutes(5)))
struct RedisPeerTests {
    /// Runs redis-py on a server and returns what it has printed.
    private func runPython(_ server: TestServer, _ prefix: String) async throws -> String {
        let peers = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_PEERS"], "SLUICE_TEST_PEERS is not set; run make test")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../Peers/redis_peer.py").standardized.path
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "\(peers)/bin/python")
        process.arguments = [script, server.host, "\(server.port)", prefix]
        process.standardInput = FileHandle.nullDevice
        (process.standardOutput, process.standardError) = (output, output)
        let (exit, continuation) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = {
            continuation.yield($0.terminationStatus)
            continuation.finish()
        }
        try process.run()
        _ = await exit.first { _ in true }
        return String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    }

    @Test("redis-py reads what ours wrote, and ours what redis-py wrote")
    func python() async throws {
        let server = try TestServer()
        try await server.withRedis { redis, prefix in
            let everyByte = ByteBuffer(bytes: (0..<256 * 300).map { UInt8(truncatingIfNeeded: $0) })
            let fields: [String: String] = ["f": "1", "ü": "", "g": "\r\n$-1\r\n"]
            try await redis.set("\(prefix)ours", to: RedisArgument(everyByte), for: .seconds(60))
            let arguments = fields.flatMap { [RedisArgument($0.key), RedisArgument($0.value)] }
            try await redis.send("HSET", [RedisArgument("\(prefix)ours-hash")] + arguments)

            #expect(try await self.runPython(server, prefix) == "done\n")

            #expect(try await redis.get("\(prefix)theirs") == everyByte)
            #expect(try await redis.fields(of: "\(prefix)theirs-hash").mapValues { String(buffer: $0) } == fields)
            let scores = try await redis.send("ZRANGE", ["\(prefix)theirs-scores", 0, -1, "WITHSCORES"])
            #expect(
                scores.elements?.map(\.elements) == [
                    [.string(ByteBuffer(string: "a")), .double(1.5)],
                    [.string(ByteBuffer(string: "b")), .double(.infinity)],
                ])
            guard case .set(let members) = try await redis.send("SMEMBERS", ["\(prefix)theirs-set"]) else {
                Issue.record("SMEMBERS was not answered with a set")
                return
            }
            #expect(Set(members.map(\.text)) == ["x", "y"])
            let list = try await redis.send("LRANGE", ["\(prefix)theirs-list", 0, -1])
            #expect(list.elements?.map(\.integer) == [1, 2])
        }
    }
}
