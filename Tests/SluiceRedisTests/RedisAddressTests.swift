// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import SluiceTesting
import Testing

@testable import SluiceRedis

@Suite("A Redis server of several addresses", .timeLimit(.minutes(5)))
struct RedisAddressTests {
    /// Knows two addresses of every host, of which it names the ones that do not answer first.
    private final class Names: Resolver, Sendable {
        private let loop: any EventLoop
        private let ports: [Int]

        init(_ ports: [Int], on loop: any EventLoop) {
            self.ports = ports
            self.loop = loop
        }

        func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
            self.loop.makeCompletedFuture {
                try self.ports.map { try SocketAddress(ipAddress: "127.0.0.1", port: $0) }
            }
        }

        func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
            self.loop.makeSucceededFuture([])
        }

        func cancelQueries() {}
    }

    @Test("is reached on one that accepts, and keeps that connection when another refuses")
    func refused() async throws {
        let connections = Shared(0)
        let nowhere = try await ScriptedServer.run { _ in
        } _: {
            $0.port
        }
        try await ScriptedServer.run { connection in
            connections.change { $0 += 1 }
            _ = try await connection.read()
            try await connection.write("%0\r\n")
            while try await connection.read() != nil { try await connection.write("+PONG\r\n") }
        } _: { server in
            let loop = MultiThreadedEventLoopGroup.singleton.any()
            let redis = try Redis(
                "redis://somewhere", .patient { $0.maximumAttempts = 1 }, group: loop,
                resolver: Names([nowhere, server.port], on: loop))
            for _ in 0..<3 { try await redis.ping() }
            #expect(connections.value == 1)
            await redis.close()
        }
    }
}
