// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceRedis

@Suite("Redis and what can go wrong", .timeLimit(.minutes(5)))
struct RedisFaultTests {
    private let quick = Backoff.constant(.milliseconds(1))

    private func withProxy(
        _ configuration: RedisConfiguration = .patient(),
        _ body: (FaultProxy, Redis, String) async throws -> Void
    ) async throws {
        let server = try TestServer()
        try await FaultProxy.run(upstream: server.host, port: server.port) { proxy in
            try await server.withRedis(configuration, port: proxy.port) { redis, prefix in
                try await body(proxy, redis, prefix)
            }
        }
    }

    private func error(_ body: () async throws -> some Any) async -> RedisError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? RedisError
        }
    }

    @Test(
        "CLIENT KILL in flight: what may have run is not run twice, what may be repeated is, and no answer is another's"
    )
    func killed() async throws {
        let server = try TestServer()
        try await server.withRedis(.patient { $0.backoff = self.quick }) { redis, prefix in
            try await server.withRedis { killer, _ in
                let isOver = Shared(false)
                let lost = Shared(0)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        for _ in 0..<20 {
                            let id = try await redis.connectionID()
                            try await killer.send("CLIENT", ["KILL", "ID", RedisArgument(id)])
                        }
                        isOver.change { $0 = true }
                    }
                    for worker in 0..<50 {
                        group.addTask {
                            var tried = 0
                            while !isOver.value || tried == 0 {
                                tried += 1
                                do {
                                    try await redis.send("INCR", ["\(prefix)\(worker)"])
                                } catch let error as RedisError where error.kind == .connectionLost {
                                    #expect(error.hasRun == nil)
                                    lost.change { $0 += 1 }
                                } catch let error as RedisError where error.kind == .unreachable {
                                    #expect(error.hasRun == false)
                                    lost.change { $0 += 1 }
                                }
                                // Killed a few times in a row, even what may be repeated runs out of attempts.
                                let text = try? await redis.send("ECHO", [RedisArgument(worker)], isIdempotent: true)
                                    .text
                                #expect(text == nil || text == "\(worker)")
                            }
                            // Never more often than it was asked for.
                            let count = try await killer.get("\(prefix)\(worker)").flatMap { Int(String(buffer: $0)) }
                            #expect(count ?? 0 <= tried)
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(lost.value > 0)
                #expect(try await redis.send("ECHO", ["well"], isIdempotent: true).text == "well")
            }
        }
    }

    @Test("a connection cut between command and answer: run once, told that it is unknown, or repeated if that is safe")
    func cut() async throws {
        try await self.withProxy(.patient { $0.backoff = self.quick }) { proxy, redis, prefix in
            try await redis.ping()
            proxy.set(.cut(afterBytes: 0, .toClient), for: .openConnections)
            let lost = await self.error { try await redis.send("INCR", ["\(prefix)n"]) }
            #expect(
                lost?.kind == .connectionLost && lost?.hasRun == nil && lost?.retryAdvice == .ifIdempotent(after: nil))
            #expect(try await redis.get("\(prefix)n") == ByteBuffer(string: "1"))
            proxy.set(.cut(afterBytes: 0, .toClient, by: .reset), for: .openConnections)
            #expect(try await redis.get("\(prefix)n") == ByteBuffer(string: "1"))
            #expect(proxy.acceptedCount == 3)
        }
    }

    @Test("a network that swallows everything: a typed timeout at the deadline, and afterwards everything works")
    func blackhole() async throws {
        try await self.withProxy(RedisConfiguration(timeout: .milliseconds(500), connectTimeout: .seconds(1))) {
            proxy, redis, prefix in
            try await until { (try? await redis.ping()) != nil }
            proxy.set(.blackhole)
            let start = SystemTime.shared.now
            let sent = await self.error { try await redis.send("INCR", ["\(prefix)n"]) }
            #expect(sent?.kind == .timedOut && sent?.hasRun == nil)
            let waited = start.duration(to: SystemTime.shared.now)
            #expect(waited >= .milliseconds(500))
            // The doubtful connection is used no more, and no other can be made.
            let unsent = await self.error { try await redis.send("INCR", ["\(prefix)n"]) }
            #expect(unsent?.kind == .timedOut && unsent?.hasRun == false)
            proxy.set(.pass)
            try await until { (try? await redis.send("ECHO", ["again"], isIdempotent: true).text) == "again" }
        }
    }

    @Test("the caller's earlier deadline counts, and where nothing was heard until then a new connection is used")
    func callersDeadline() async throws {
        try await self.withProxy(.patient { $0.timeout = .seconds(600) }) { proxy, redis, _ in
            try await redis.ping()
            proxy.set(.blackhole)
            // Two alarms ring at once: the operation's, which cancels, and the command's.
            let error = await #expect(throws: (any Error).self) {
                try await withOperation("test", limit: .milliseconds(50)) { _ in try await redis.ping() }
            }
            #expect(error is TimeoutError || (error as? RedisError)?.kind == .timedOut)
            try await until { proxy.clientCount == 0 }
            proxy.set(.pass)
            #expect(try await redis.send("ECHO", ["again"]).text == "again")
            #expect(proxy.acceptedCount == 2)
        }
    }

    @Test("one who has little time does not take the others' answers away")
    func impatient() async throws {
        try await self.withProxy { proxy, redis, _ in
            try await redis.ping()
            proxy.set(.delay(.seconds(300)), for: .openConnections)
            let sent = proxy.bytesRead(.toUpstream)
            async let patient = redis.send("ECHO", ["patient"])
            try await until { proxy.bytesRead(.toUpstream) > sent }
            await #expect(throws: (any Error).self) {
                try await withOperation("test", limit: .milliseconds(20)) { _ in try await redis.ping() }
            }
            // Meanwhile others have a connection on which something comes.
            #expect(try await redis.send("ECHO", ["other"]).text == "other")
            proxy.set(.pass)
            #expect(try await patient.text == "patient")
            #expect(try await redis.send("ECHO", ["next"]).text == "next")
        }
    }

    @Test("a server that stops answering is noticed, also where nobody waits any more")
    func silence() async throws {
        try await self.withProxy(RedisConfiguration(timeout: .seconds(2))) { proxy, redis, _ in
            try await until { (try? await redis.ping()) != nil }
            proxy.set(.blackhole, for: .openConnections)
            let sent = proxy.bytesRead(.toUpstream)
            let task = Task { try await redis.ping() }
            try await until { proxy.bytesRead(.toUpstream) > sent }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await until { proxy.clientCount == 0 }
            #expect(try await redis.send("ECHO", ["again"], isIdempotent: true).text == "again")
        }
    }

    @Test("a server that is not there fails at once; once it is there, commands work again")
    func unreachable() async throws {
        try await self.withProxy(.patient { ($0.maximumAttempts, $0.backoff) = (1, .constant(.milliseconds(20))) }) {
            proxy, redis, _ in
            proxy.set(.reset)
            let error = await self.error { try await redis.ping() }
            #expect(error?.kind == .unreachable && error?.hasRun == false)
            proxy.set(.pass)
            try await until { (try? await redis.send("ECHO", ["here"]).text) == "here" }
        }
        let nowhere = try Redis("redis://127.0.0.1:1", configuration: .patient { $0.backoff = self.quick })
        let error = await self.error { try await nowhere.ping() }
        #expect(error?.kind == .unreachable && error?.hasRun == false)
        await nowhere.close()
    }

    @Test("a wrong password is said to be one, without showing it, and a right one opens the server")
    func password() async throws {
        let server = try TestServer()
        try await server.withRedis { admin, prefix in
            // A user of its own, so that the server stays open for everybody else.
            let user = "u\(UUID().uuidString.prefix(8))"
            try await admin.send("ACL", ["SETUSER", "\(user)", "on", ">s3cr:t@", "~*", "+@all"])
            let address = "\(server.host):\(server.port)"
            let wrong = try Redis(
                "redis://\(user):hunter2@\(address)", configuration: .patient { $0.backoff = self.quick })
            let error = await self.error { try await wrong.ping() }
            #expect(error?.kind == .authentication && error?.code == "WRONGPASS" && error?.hasRun == false)
            #expect(error?.retryAdvice == .never && error.map { "\($0)".contains("hunter2") } == false)
            await wrong.close()
            let right = try Redis("redis://\(user):s3cr%3At%40@\(address)/1")
            #expect(try await right.send("ACL", ["WHOAMI"]).text == user)
            #expect(try await right.send("CLIENT", ["INFO"]).text?.contains(" db=1 ") == true)
            await right.close()
            try await admin.send("ACL", ["DELUSER", "\(user)"])
        }
        let missing = try Redis("\(server.url)/9999")
        #expect(await self.error { try await missing.ping() }?.kind == .configuration)
        await missing.close()
    }

    /// What a server that means ill says, once for each connection.
    private func against(
        timeout: Duration = .seconds(60),
        _ answers: @escaping @Sendable (ScriptedServer.Connection) async throws -> Void,
        _ body: @escaping @Sendable (Redis) async throws -> Void
    ) async throws {
        try await ScriptedServer.run { connection in
            try? await answers(connection)
            try? await connection.waitForClose()
        } _: { server in
            let limits = RedisLimits(maximumBytes: 1_000, maximumValues: 100, maximumDepth: 4)
            let redis = try Redis(
                "redis://127.0.0.1:\(server.port)",
                configuration: RedisConfiguration(
                    timeout: timeout, connectTimeout: .seconds(60), maximumAttempts: 1, backoff: self.quick,
                    limits: limits))
            try await body(redis)
            await redis.close()
        }
    }

    @Test(
        "an answer that is none, or too large, ends the connection and is told as what it is",
        arguments: [
            "$1001\r\n", "?\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "*101\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n",
        ])
    func hostile(_ bytes: String) async throws {
        try await self.against { connection in
            _ = try await connection.read()
            try await connection.write("%0\r\n")
            _ = try await connection.read()
            try await connection.write(bytes)
        } _: { redis in
            let error = await self.error { try await redis.ping() }
            #expect(error?.kind == .protocolViolation && error?.hasRun == nil && error?.retryAdvice == .never)
        }
    }

    @Test("an answer that nobody asked for ends the connection, so that nobody is given it")
    func unasked() async throws {
        let count = Shared(0)
        try await self.against { connection in
            count.change { $0 += 1 }
            let isFirst = count.value == 1
            _ = try await connection.read()
            try await connection.write("%0\r\n")
            _ = try await connection.read()
            try await connection.write(isFirst ? "+PONG\r\n+foreign\r\n" : "+mine\r\n")
        } _: { redis in
            try await redis.ping()
            #expect(try await redis.send("ECHO", ["mine"]).text == "mine")
            #expect(count.value == 2)
        }
    }

    @Test("pushes that nobody asked for are skipped: before the greeting, and before and after an answer")
    func pushes() async throws {
        try await self.against { connection in
            let push = ">2\r\n+message\r\n$1\r\nx\r\n"
            _ = try await connection.read()
            try await connection.write("\(push)%0\r\n\(push)")
            _ = try await connection.read()
            try await connection.write("\(push)+PONG\r\n\(push)")
            _ = try await connection.read()
            try await connection.write("$2\r\nme\r\n")
        } _: { redis in
            try await redis.ping()
            #expect(try await redis.send("ECHO", ["me"]).text == "me")
        }
    }

    @Test("a server that does not know HELLO is said not to be supported; one that is loading is not there yet")
    func greeting() async throws {
        try await self.against({
            try await $0.write("-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n")
        }) {
            redis in
            #expect(await self.error { try await redis.ping() }?.kind == .unsupported)
        }
        try await self.against({ try await $0.write("-LOADING Redis is loading the dataset in memory\r\n") }) { redis in
            let error = await self.error { try await redis.ping() }
            #expect(error?.kind == .unreachable && error?.code == "LOADING")
        }
        try await self.against(timeout: .milliseconds(200), { _ in }) { redis in
            let error = await self.error { try await redis.ping() }
            #expect(error?.kind == .timedOut && error?.hasRun == false)
        }
    }
}
