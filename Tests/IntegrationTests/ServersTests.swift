// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOPosix
import Testing

/// The servers that `make test` starts are there and are what they claim to be; without them these tests fail.
@Suite("Servers", .timeLimit(.minutes(5)))
struct ServersTests {
    /// Connects to the server that an environment variable names, sends `greeting`, and returns the first bytes of its answer.
    private func talk(_ variable: String, sending greeting: [UInt8], atLeast count: Int) async throws -> [UInt8] {
        let address = try #require(
            ProcessInfo.processInfo.environment[variable], "\(variable) is not set; run make test")
        let parts = address.split(separator: ":")
        let port = try #require(parts.last.flatMap { Int($0) })
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: String(parts[0]), port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            if !greeting.isEmpty { try await outbound.write(ByteBuffer(bytes: greeting)) }
            var answer: [UInt8] = []
            for try await part in inbound {
                answer += part.readableBytesView
                if answer.count >= count { break }
            }
            return answer
        }
    }

    @Test("PostgreSQL answers a request for TLS with yes or no")
    func postgres() async throws {
        // SSLRequest: length 8, code 80877103 (PostgreSQL 15, "Message Formats").
        let answer = try await self.talk(
            "SLUICE_TEST_POSTGRES", sending: [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F], atLeast: 1)
        #expect(answer == [UInt8(ascii: "N")] || answer == [UInt8(ascii: "S")])
    }

    @Test("MariaDB greets with its version")
    func mariadb() async throws {
        let answer = try await self.talk("SLUICE_TEST_MARIADB", sending: [], atLeast: 30)
        #expect(answer[4] == 10)
        #expect(String(decoding: answer.dropFirst(5).prefix { $0 != 0 }, as: UTF8.self).contains("MariaDB"))
    }

    @Test("Redis answers a ping")
    func redis() async throws {
        let answer = try await self.talk("SLUICE_TEST_REDIS", sending: Array("PING\r\n".utf8), atLeast: 7)
        #expect(String(decoding: answer, as: UTF8.self) == "+PONG\r\n")
    }
}
