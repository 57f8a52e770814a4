// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import SluiceHTTP

extension HTTPTransportContract {
    static let failures: [Check] = [
        Check("a refused connection is unreachable, and nothing was sent", needs: .network) { transport in
            let port = try await ScriptedServer.run { _ in
            } _: {
                $0.port
            }
            do {
                _ = try await transport.send(Self.request(port), body: nil)
            } catch let error as APIClientError {
                try Self.expectEqual(error.kind, .unreachable, "the error")
                return try Self.expect(error.wasNeverSent, "nothing was sent")
            }
            throw HTTPContractFailure(description: "a refused connection should be an error")
        },
        Check("a connection that breaks is lost: before the answer, within its body, by reset", needs: .network) {
            transport in
            let scripts: [@Sendable (ScriptedServer.Connection) async throws -> Void] = [
                { _ = try await $0.requestHead() },
                { connection in
                    _ = try await connection.requestHead()
                    try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                },
                { connection in
                    _ = try await connection.requestHead()
                    try await connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                },
                { connection in
                    _ = try await connection.requestHead()
                    try await connection.reset()
                },
            ]
            for (number, script) in scripts.enumerated() {
                try await ScriptedServer.run(script) { server in
                    try await Self.expectError(.connectionLost, what: "break \(number)") {
                        _ = try await Self.text(try await transport.send(Self.request(server.port), body: nil))
                    }
                }
            }
        },
        Check("a connection that breaks within an answer's head is lost", needs: [.network, .cutHeads]) { transport in
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-le")
            } _: { server in
                try await Self.expectError(.connectionLost, what: "the answer") {
                    _ = try await Self.text(try await transport.send(Self.request(server.port), body: nil))
                }
            }
        },
        Check("what is not HTTP is an invalid answer", needs: [.network, .cutHeads]) { transport in
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("220 mail.example.org ESMTP\r\n\r\n")
            } _: { server in
                try await Self.expectError(.invalidResponse, .connectionLost, what: "the answer") {
                    _ = try await Self.text(try await transport.send(Self.request(server.port), body: nil))
                }
            }
        },
        Check("a cancelled request ends as cancelled, and gives its connection up") { transport in
            let (hasBegun, hasClosed) = (Gate(), Gate())
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                hasBegun.open()
                try await connection.waitForClose()
                hasClosed.open()
            } _: { server in
                // Unstructured, since it is to be cancelled by itself; awaited below.
                let task = Task { try await Self.text(try await transport.send(Self.request(server.port), body: nil)) }
                try await hasBegun.pass()
                task.cancel()
                let result = await task.result
                guard case .failure(let error) = result, error is CancellationError else {
                    throw HTTPContractFailure(description: "a cancelled request should end so, not as \(result)")
                }
                try await hasClosed.pass()
            }
        },
        Check("a body whose reading is cancelled ends as cancelled, and gives its connection up", isStreamed: true) {
            transport in
            let (hasBegun, hasClosed) = (Gate(), Gate())
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
                try await connection.waitForClose()
                hasClosed.open()
            } _: { server in
                // Unstructured, since it is to be cancelled by itself; awaited below.
                let task = Task {
                    let response = try await transport.send(Self.request(server.port), body: nil)
                    hasBegun.open()
                    return try await Self.text(response)
                }
                try await hasBegun.pass()
                task.cancel()
                let result = await task.result
                guard case .failure(let error) = result, error is CancellationError else {
                    throw HTTPContractFailure(description: "a cancelled read should end so, not as \(result)")
                }
                try await hasClosed.pass()
            }
        },
        Check("only http and https are known", needs: .network) { transport in
            for scheme in [nil, "ftp", "file"] {
                var request = Self.request(1)
                request.scheme = scheme
                let wrong = request
                try await Self.expectError(.urlNotAllowed, what: scheme ?? "no scheme") {
                    _ = try await transport.send(wrong, body: nil)
                }
            }
        },
        Check("once it is closed, which may be said twice, it sends nothing and says so", needs: .network) {
            transport in
            await transport.close()
            try await Self.expectError(.unreachable, what: "a request after the end") {
                _ = try await transport.send(Self.request(1), body: nil)
            }
            await transport.close()
        },
    ]
}
