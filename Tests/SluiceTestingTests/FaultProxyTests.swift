// SPDX-License-Identifier: Apache-2.0
import NIOCore
import SluiceTesting
import Testing

@Suite("Fault proxy", .timeLimit(.minutes(5)))
struct FaultProxyTests {
    /// Runs a proxy in front of an echo server.
    private func withEcho(
        _ mode: FaultProxy.Mode = .pass, _ body: (_ proxy: FaultProxy, _ direct: Int) async throws -> Void
    ) async throws {
        try await withTCPServer(echo) { port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                proxy.set(mode)
                try await body(proxy, port)
            }
        }
    }

    @Test("passes bytes both ways and the end of each stream, and then holds nothing")
    func pass() async throws {
        try await self.withEcho { proxy, _ in
            let text = String(repeating: "0123456789", count: 100_000)
            try await withTCPClient(proxy.port) { client in
                let outbound = client.outbound
                async let written: Void = outbound.write(ByteBuffer(string: text))
                #expect(try await client.read(text.utf8.count) == text)
                try await written
                #expect(proxy.connectionCount == 1)
                client.outbound.finish()
                #expect(await client.readToEnd() == ("", .end))
            }
            await until { proxy.connectionCount == 0 }
            #expect(proxy.acceptedCount == 1)
            #expect(proxy.bytesRead(.toUpstream) == text.utf8.count)
            #expect(proxy.bytesRead(.toClient) == text.utf8.count)
        }
    }

    @Test("a mode for the connections that are open leaves new ones alone, until the next mode for all")
    func openConnections() async throws {
        try await self.withEcho { proxy, _ in
            try await withTCPClient(proxy.port) { old in
                try await old.write("a")
                #expect(try await old.read(1) == "a")
                proxy.set(.delay(.seconds(3600)), for: .openConnections)
                #expect(proxy.mode == .pass)
                try await old.write("b")
                try await withTCPClient(proxy.port) { new in
                    try await new.write("c")
                    #expect(try await new.read(1) == "c")
                }
                await until { proxy.bytesRead(.toUpstream) == 3 }
                #expect(proxy.bytesRead(.toClient) == 2)
                proxy.set(.pass)
                #expect(try await old.read(1) == "b")
            }
        }
    }

    @Test("delays every chunk and the end, in order")
    func delay() async throws {
        try await self.withEcho(.delay(.milliseconds(40))) { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                let start = ContinuousClock.now
                for digit in 0..<10 { try await client.write("\(digit)") }
                #expect(try await client.read(10) == "0123456789")
                #expect(start.duration(to: .now) >= .milliseconds(80))
                let middle = ContinuousClock.now
                client.outbound.finish()
                #expect(await client.readToEnd() == ("", .end))
                #expect(middle.duration(to: .now) >= .milliseconds(80))
            }
        }
    }

    @Test("lets go of what a delay holds when the mode changes")
    func endOfDelay() async throws {
        try await self.withEcho(.delay(.seconds(3600))) { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                try await client.write("held")
                await until { proxy.bytesRead(.toUpstream) == 4 }
                #expect(proxy.bytesRead(.toClient) == 0)
                proxy.set(.pass)
                #expect(try await client.read(4) == "held")
            }
        }
    }

    @Test("throttles each direction, until told otherwise")
    func throttle() async throws {
        try await self.withEcho(.throttle(bytesPerSecond: 10)) { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                let text = String(repeating: "x", count: 3000)
                let start = ContinuousClock.now
                try await client.write(text)
                let first = try await client.read(5)
                #expect(start.duration(to: .now) >= .milliseconds(500))
                // The whole would take five minutes.
                #expect(proxy.bytesRead(.toClient) < 3000)
                proxy.set(.pass)
                #expect(try await first + client.read(2995) == text)
            }
        }
    }

    @Test("swallows everything in a blackhole, whose connections go on afterwards")
    func blackhole() async throws {
        try await self.withEcho { proxy, direct in
            try await withTCPClient(proxy.port) { client in
                try await client.write("before")
                #expect(try await client.read(6) == "before")
                proxy.set(.blackhole)
                try await client.write("lost")
                await until { proxy.bytesRead(.toUpstream) == 10 }
                try await withTCPClient(direct) { other in
                    try await other.write("direct")
                    #expect(try await other.read(6) == "direct")
                }
                #expect(proxy.bytesRead(.toClient) == 6)
                #expect(proxy.connectionCount == 1)
                proxy.set(.pass)
                try await client.write("after")
                #expect(try await client.read(5) == "after")
            }
        }
    }

    @Test("lets nothing of the server out of a blackhole")
    func blackholedAnswer() async throws {
        let gate = Gate()
        try await withTCPServer { peer in
            try await gate.pass()
            try await peer.write("lost")
            try await echo(peer)
        } _: { port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                try await withTCPClient(proxy.port) { client in
                    proxy.set(.blackhole)
                    gate.open()
                    await until { proxy.bytesRead(.toClient) == 4 }
                    proxy.set(.pass)
                    try await client.write("after")
                    #expect(try await client.read(5) == "after")
                }
            }
        }
    }

    @Test(
        "tells nobody in a blackhole that the other side has left, and everybody afterwards", arguments: [false, true])
    func leavingABlackhole(byReset: Bool) async throws {
        let served = Locked<StreamEnd?>(nil)
        try await withTCPServer { peer in
            let (_, end) = await peer.readToEnd()
            served.withLock { $0 = end }
        } _: { port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                proxy.set(.blackhole)
                try await withTCPClient(proxy.port) { client in
                    try await client.write("lost")
                    await until { proxy.bytesRead(.toUpstream) == 4 }
                    #expect(proxy.clientCount == 1)
                    if byReset { try await client.reset() }
                }
                await until { proxy.clientCount == 0 }
                #expect(proxy.connectionCount == 1)
                #expect(served.withLock { $0 } == nil)
                proxy.set(.pass)
                await until { proxy.connectionCount == 0 }
                await until { served.withLock { $0 } != nil }
                #expect(served.withLock { $0 } == (byReset ? .reset : .end))
            }
        }
    }

    @Test("refuses new connections and keeps those that are open")
    func refuse() async throws {
        try await self.withEcho { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                try await client.write("a")
                #expect(try await client.read(1) == "a")
                proxy.set(.refuse)
                #expect(await converse(proxy.port) == ("", .end))
                try await client.write("b")
                #expect(try await client.read(1) == "b")
                await until { proxy.connectionCount == 1 }
                #expect(proxy.acceptedCount == 2)
            }
        }
    }

    @Test("resets connections, open and new")
    func reset() async throws {
        try await self.withEcho { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                try await client.write("a")
                #expect(try await client.read(1) == "a")
                proxy.set(.reset)
                #expect(await client.readToEnd() == ("", .reset))
            }
            let (_, end) = await converse(proxy.port)
            #expect(end == .reset)
            await until { proxy.connectionCount == 0 }
            #expect(proxy.acceptedCount == 2)
        }
    }

    @Test("shows the client the end of the stream while what it writes goes on")
    func halfClose() async throws {
        let received = Locked("")
        try await withTCPServer { peer in
            try await peer.write("hello")
            let text = try await peer.read(4)
            try await peer.write("lost")
            let (rest, _) = await peer.readToEnd()
            received.withLock { $0 = text + rest }
        } _: { port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                try await withTCPClient(proxy.port) { client in
                    #expect(try await client.read(5) == "hello")
                    proxy.set(.halfClose)
                    #expect(await client.readToEnd() == ("", .end))
                    try await client.write("more")
                    await until { proxy.bytesRead(.toClient) == 9 }
                    try await client.write(" and more")
                    client.outbound.finish()
                    await until { proxy.connectionCount == 0 }
                }
            }
        }
        #expect(received.withLock { $0 } == "more and more")
    }

    @Test("cuts what the client gets after exactly so many bytes", arguments: 0...20)
    func cutToClient(count: Int) async throws {
        let text = "abcdefghijklmnopqrstuvwxyz"
        for how in [FaultProxy.Disconnection.close, .reset] {
            try await self.withEcho(.cut(afterBytes: count, .toClient, by: how)) { proxy, _ in
                let (received, end) = await converse(proxy.port, saying: text)
                #expect(received == text.prefix(count))
                #expect(end == (how == .reset ? .reset : .end))
                await until { proxy.connectionCount == 0 }
                #expect(proxy.bytesRead(.toUpstream) == text.utf8.count)
            }
        }
    }

    @Test("cuts what the server gets after exactly so many bytes", arguments: 0...20)
    func cutToUpstream(count: Int) async throws {
        let text = "abcdefghijklmnopqrstuvwxyz"
        for how in [FaultProxy.Disconnection.close, .reset] {
            let served = Locked<(text: String, end: StreamEnd)?>(nil)
            try await withTCPServer { peer in
                let result = await peer.readToEnd()
                served.withLock { $0 = result }
            } _: { port in
                try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                    proxy.set(.cut(afterBytes: count, .toUpstream, by: how))
                    let (_, end) = await converse(proxy.port, saying: text)
                    #expect(end == (how == .reset ? .reset : .end))
                    await until { served.withLock { $0 } != nil }
                    let (received, serverEnd) = try #require(served.withLock { $0 })
                    #expect(received == text.prefix(count))
                    #expect(serverEnd == (how == .reset ? .reset : .end))
                }
            }
        }
    }

    @Test("counts for a cut from when it was set, on a connection that is open")
    func cutOfOpenConnection() async throws {
        try await self.withEcho { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                try await client.write("before")
                #expect(try await client.read(6) == "before")
                for _ in 1...2 {
                    proxy.set(.cut(afterBytes: 5, .toClient))
                    try await client.write("1234")
                    #expect(try await client.read(4) == "1234")
                }
                try await client.write("5678")
                #expect(await client.readToEnd() == ("5", .end))
            }
        }
    }

    @Test("reads no more from the server than a client that does not read can hold")
    func backPressure() async throws {
        let megabytes = 50
        let total = megabytes << 20
        try await withTCPServer { peer in
            let megabyte = ByteBuffer(repeating: 7, count: 1 << 20)
            for _ in 1...megabytes { try await peer.outbound.write(megabyte) }
            // To return closes the connection, also on what is not yet written.
            peer.outbound.finish()
            _ = await peer.readToEnd()
        } _: { port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                try await withTCPClient(proxy.port) { idle in
                    await until { proxy.bytesRead(.toClient) > 0 }
                    // While everything goes through one connection, it has the time to go through the other one.
                    let count = try await withTCPClient(proxy.port) { try await $0.countToEnd() }
                    #expect(count == total)
                    // What the system holds for both peers is a few megabytes.
                    #expect(proxy.bytesRead(.toClient) < total + total / 3)
                    #expect(try await idle.countToEnd() == total)
                    #expect(proxy.bytesRead(.toClient) == 2 * total)
                }
            }
        }
    }

    @Test("disconnects who is there, and serves who comes next", arguments: [FaultProxy.Disconnection.close, .reset])
    func disconnectAll(how: FaultProxy.Disconnection) async throws {
        try await self.withEcho { proxy, _ in
            try await withTCPClient(proxy.port) { client in
                try await client.write("a")
                #expect(try await client.read(1) == "a")
                proxy.disconnectAll(how)
                #expect(await client.readToEnd() == ("", how == .reset ? .reset : .end))
            }
            await until { proxy.connectionCount == 0 }
            try await withTCPClient(proxy.port) { client in
                try await client.write("b")
                #expect(try await client.read(1) == "b")
            }
        }
    }

    @Test("passes on that one side has reset its connection")
    func resetByPeer() async throws {
        try await withTCPServer { peer in
            _ = try await peer.read(1)
            try await peer.reset()
        } _: { port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                let (_, end) = await converse(proxy.port, saying: "a")
                #expect(end == .reset)
                await until { proxy.connectionCount == 0 }
            }
        }
    }

    @Test("resets clients where there is no server")
    func noServer() async throws {
        try await withTCPServer(echo) { port in
            // The port of a client: it is taken, so nobody else can get it, and nobody listens there.
            try await withTCPClient(port) { other in
                let port = try #require(other.channel.localAddress?.port)
                try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                    let (_, end) = await converse(proxy.port)
                    #expect(end == .reset)
                    await until { proxy.connectionCount == 0 }
                }
            }
        }
    }

    @Test(
        "leaves nothing when it is closed, in whatever mode",
        arguments: [FaultProxy.Mode.pass, .blackhole, .delay(.seconds(3600))])
    func close(mode: FaultProxy.Mode) async throws {
        try await withTCPServer(echo) { port in
            let proxy = try await FaultProxy.start(upstream: "127.0.0.1", port: port)
            proxy.set(mode)
            #expect(proxy.mode == mode)
            try await withTCPClient(proxy.port) { client in
                try await client.write("a")
                await until { proxy.bytesRead(.toUpstream) == 1 }
                await proxy.close()
                #expect(proxy.connectionCount == 0)
                #expect(proxy.clientCount == 0)
                #expect(await client.readToEnd().end == .end)
            }
            guard case ("", .failed) = await converse(proxy.port) else {
                Issue.record("the port is still served")
                return
            }
            await proxy.close()
        }
    }
}
