// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Sluice
import SluiceTesting
import Testing

@testable import SluiceRedis

@Suite("Redis", .timeLimit(.minutes(5)))
struct RedisTests {
    @Test("what was kept is read, byte for byte, and dropped when its time is over")
    func strings() async throws {
        try await TestServer().withRedis { redis, prefix in
            let bytes = ByteBuffer(bytes: (0..<70_000).map { UInt8(truncatingIfNeeded: $0) })
            try await redis.set("\(prefix)a", to: RedisArgument(bytes), for: .seconds(60))
            #expect(try await redis.get("\(prefix)a") == bytes)
            let left = try await redis.send("PTTL", ["\(prefix)a"]).integer
            #expect((1...60_000).contains(left ?? 0))
            try await redis.set("\(prefix)b", to: "1", for: .milliseconds(1))
            try await until { try await redis.get("\(prefix)b") == nil }
            let both = try await redis.get(["\(prefix)a", "\(prefix)b"])
            #expect(both == [bytes, nil])
            #expect(try await redis.delete(["\(prefix)a", "\(prefix)b"]) == 1)
            try await redis.ping()
        }
    }

    @Test("hashes, keys of a prefix that is a pattern itself, and scripts")
    func otherCommands() async throws {
        try await TestServer().withRedis { redis, prefix in
            let odd = "\(prefix)[a]*?\\^"
            try await redis.send("HSET", ["\(odd)1", "f", "1", "g", "2"])
            try await redis.set("\(prefix)a1", to: "other")
            #expect(
                try await redis.fields(of: "\(odd)1") == ["f": ByteBuffer(string: "1"), "g": ByteBuffer(string: "2")])
            #expect(try await redis.removeFields(["f", "x"], of: "\(odd)1") == 1)
            let found = Shared<[String]>([])
            try await redis.forEachKey(withPrefix: odd) { keys in found.change { $0 += keys } }
            #expect(Set(found.value) == ["\(odd)1"])
            // New to the server, since nobody has this text.
            let script = RedisScript("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])} -- \(prefix)")
            for count in 1...2 {
                let answer = try await redis.run(script, keys: ["\(prefix)n"], ["x"])
                #expect(answer.elements?.last == .integer(Int64(count)))
                #expect(answer.elements?.dropLast().map(\.text) == ["\(prefix)n", "x"])
            }
        }
    }

    @Test("an error of the server is typed, has run, and disturbs nobody")
    func serverErrors() async throws {
        try await TestServer().withRedis { redis, prefix in
            try await redis.set("\(prefix)a", to: "text")
            async let before = redis.get("\(prefix)a")
            let error = await #expect(throws: RedisError.self) { try await redis.send("LPUSH", ["\(prefix)a", "x"]) }
            #expect(error?.kind == .server && error?.code == "WRONGTYPE" && error?.hasRun == true)
            #expect(error?.retryAdvice == .never)
            #expect(try await before == ByteBuffer(string: "text"))
            let unexpected = await #expect(throws: RedisError.self) { try await redis.fields(of: "\(prefix)a") }
            #expect(unexpected?.code == "WRONGTYPE")
            let refused = await #expect(throws: RedisError.self) { try await redis.send("SUBSCRIBE", ["x"]) }
            #expect(refused?.kind == .notShareable && refused?.hasRun == false)
        }
    }

    @Test("thousands of commands at once get their own answers, over one connection")
    func concurrent() async throws {
        try await TestServer().withRedis { redis, prefix in
            let id = try await redis.connectionID()
            let wrong = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<10_000 {
                    group.addTask {
                        let text = "\(number)" + String(repeating: "x", count: number % 100 == 0 ? 50_000 : number % 50)
                        let answer = try await redis.send("ECHO", [RedisArgument(text)])
                        if answer.text != text { wrong.change { $0 += 1 } }
                    }
                }
                try await group.waitForAll()
            }
            #expect(wrong.value == 0)
            #expect(try await redis.connectionID() == id)
        }
    }

    @Test("what waits for one connection is written at once, and not command by command")
    func fewWrites() async throws {
        let hasRead = Gate()
        let command = RESPWriter.command("ECHO", ["x"])
        let count = 1_000
        let reads = Shared(0)
        try await ScriptedServer.run { connection in
            _ = try await connection.read()
            // Nothing is opened before all of them wait.
            try await hasRead.pass()
            try await connection.write("%0\r\n")
            var bytes = 0
            while bytes < count * command.readableBytes, let part = try await connection.read() {
                bytes += part.readableBytes
                reads.change { $0 += 1 }
            }
            try await connection.write(String(repeating: "+x\r\n", count: count))
            try await connection.waitForClose()
        } _: { server in
            let configuration = RedisConfiguration.patient {
                ($0.maximumAttempts, $0.maximumInFlight, $0.maximumWaiting) = (1, count, count)
            }
            // On a thread of its own, so that the server reads while the client writes.
            let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let redis = try Redis(
                "redis://127.0.0.1:\(server.port)", configuration: configuration, group: loops)
            let answered = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0...count {
                    group.addTask {
                        do {
                            try await redis.send("ECHO", ["x"])
                            answered.change { $0 += 1 }
                        } catch let error as RedisError where error.kind == .overloaded {
                            // The one too many: so all others wait.
                            hasRead.open()
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(answered.value == count)
            // A read brings 2 KiB at least where more is there.
            #expect(reads.value <= count * command.readableBytes / 2_048 + 1, "\(reads.value) reads")
            await redis.close()
            try await loops.shutdownGracefully()
        }
    }

    @Test("more than may be in flight wait for their turn, more than may wait are turned away")
    func bounded() async throws {
        let server = try TestServer()
        let configuration = RedisConfiguration.patient {
            ($0.maximumAttempts, $0.maximumInFlight, $0.maximumWaiting) = (1, 4, 50)
        }
        let length = RESPWriter.command("ECHO", ["100"]).readableBytes
        try await FaultProxy.run(upstream: server.host, port: server.port) { proxy in
            try await server.withRedis(configuration, port: proxy.port) { redis, _ in
                try await redis.ping()
                proxy.set(.delay(.seconds(300)))
                let before = proxy.bytesRead(.toUpstream)
                let answered = Shared(0)
                let overloaded = Shared(0)
                @Sendable func echo(_ number: Int) async throws {
                    do {
                        #expect(try await redis.send("ECHO", [RedisArgument(number)]).text == "\(number)")
                        answered.change { $0 += 1 }
                    } catch let error as RedisError where error.kind == .overloaded {
                        #expect(error.hasRun == false)
                        overloaded.change { $0 += 1 }
                    }
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 100..<104 { group.addTask { try await echo(number) } }
                    try await until { proxy.bytesRead(.toUpstream) >= before + 4 * length }
                    for number in 104..<200 { group.addTask { try await echo(number) } }
                    try await until { overloaded.value >= 46 }
                    #expect(answered.value == 0)
                    #expect(proxy.bytesRead(.toUpstream) == before + 4 * length)
                    proxy.set(.pass)
                    try await group.waitForAll()
                }
                #expect(answered.value == 54 && overloaded.value == 46)
                #expect(try await redis.send("ECHO", ["afterwards"]).text == "afterwards")
            }
        }
    }

    @Test("of a storm of cancellations nobody is given another's answer")
    func cancellationStorm() async throws {
        try await TestServer().withRedis { redis, prefix in
            let id = try await redis.connectionID()
            let right = Shared(0)
            let cancelled = Shared(0)
            let wrong = Shared<[String]>([])
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<4_000 {
                    group.addTask {
                        let task = Task {
                            let text = "\(number):" + String(repeating: "y", count: number % 700)
                            do {
                                let answer = try await redis.send("ECHO", [RedisArgument(text)]).text
                                if answer == text {
                                    right.change { $0 += 1 }
                                } else {
                                    wrong.change { $0.append(answer ?? "-") }
                                }
                            } catch is CancellationError {
                                cancelled.change { $0 += 1 }
                            } catch {
                                wrong.change { $0.append("\(error)") }
                            }
                        }
                        for _ in 0..<(number % 7) { await Task.yield() }
                        if number % 4 != 0 { task.cancel() }
                        await task.value
                    }
                }
            }
            #expect(wrong.value == [])
            #expect(right.value + cancelled.value == 4_000)
            #expect(right.value >= 1_000 && cancelled.value > 0)
            #expect(try await redis.connectionID() == id)
        }
    }

    @Test("a cancelled command that was sent keeps its place: the next answer is the next command's")
    func abandonedInFlight() async throws {
        let server = try TestServer()
        try await FaultProxy.run(upstream: server.host, port: server.port) { proxy in
            try await server.withRedis(port: proxy.port) { redis, prefix in
                try await redis.ping()
                proxy.set(.delay(.seconds(300)))
                let sent = proxy.bytesRead(.toUpstream)
                let task = Task { try await redis.send("ECHO", ["abandoned"]) }
                try await until { proxy.bytesRead(.toUpstream) > sent }
                async let next = redis.send("ECHO", ["next"])
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                proxy.set(.pass)
                #expect(try await next.text == "next")
                #expect(proxy.acceptedCount == 1)
            }
        }
    }

    @Test("closing waits for what was sent, and turns away what comes later")
    func close() async throws {
        let server = try TestServer()
        try await FaultProxy.run(upstream: server.host, port: server.port) { proxy in
            let redis = try Redis("redis://127.0.0.1:\(proxy.port)", configuration: .patient())
            try await redis.ping()
            proxy.set(.delay(.seconds(300)))
            let sent = proxy.bytesRead(.toUpstream)
            async let last = redis.send("ECHO", ["last"])
            try await until { proxy.bytesRead(.toUpstream) > sent }
            async let closing: Void = redis.close()
            try await until {
                do {
                    try await withOperation("test", limit: .milliseconds(100)) { _ in try await redis.ping() }
                    return false
                } catch {
                    guard let error = error as? RedisError, error.kind == .closed else { return false }
                    #expect(error.hasRun == false)
                    return true
                }
            }
            #expect(proxy.clientCount == 1)
            proxy.set(.pass)
            #expect(try await last.text == "last")
            await closing
            await redis.close()
            try await until { proxy.clientCount == 0 }
        }
    }
}
