// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import SluiceHTTP

extension HTTPTransportContract {
    static let exchanges: [Check] = [
        Check("brings status, fields and body") { transport in
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write(
                    "HTTP/1.1 201 Created\r\ncontent-length: 2\r\netag: \"1\"\r\nserver: b\r\n\r\nhi")
                try await connection.waitForClose()
            } _: { server in
                let response = try await transport.send(Self.request(server.port), body: nil)
                try Self.expectEqual(response.head.status.code, 201, "the status")
                try Self.expectEqual(response.head.headerFields[.eTag], "\"1\"", "etag")
                try Self.expectEqual(response.head.headerFields[.server], "b", "server")
                try Self.expectEqual(try await Self.text(response), "hi", "the body")
            }
        },
        Check("sends method, path, query and fields as they are") { transport in
            for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete, .options] {
                let seen = Locked("")
                try await ScriptedServer.run { connection in
                    let head = try await connection.requestHead() ?? ""
                    seen.withLock { $0 = head }
                    try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    try await connection.waitForClose()
                } _: { server in
                    let fields: HTTPFields = [.accept: "a/b", .ifNoneMatch: "\"x\""]
                    let request = Self.request(method, server.port, "/a%20b/c?d=%26&e", fields)
                    _ = try await Self.text(try await transport.send(request, body: nil))
                }
                let head = seen.withLock { $0 }
                try Self.expect(
                    head.hasPrefix("\(method.rawValue) /a%20b/c?d=%26&e HTTP/1.1\r\n"), "the first line of \(head)")
                let lines = head.lowercased().split(separator: "\r\n").map { $0.filter { $0 != " " } }
                try Self.expect(
                    lines.contains("accept:a/b") && lines.contains("if-none-match:\"x\""), "the fields of \(head)")
            }
        },
        Check("HEAD, 204 and 304 have no body, also where HEAD and 304 announce a length") { transport in
            let answers = [
                (HTTPRequest.Method.head, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
                (.get, "HTTP/1.1 204 No Content\r\n\r\n"),
                (.get, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
            ]
            for (method, answer) in answers {
                try await ScriptedServer.run { connection in
                    _ = try await connection.requestHead()
                    try await connection.write(answer)
                    try await connection.waitForClose()
                } _: { server in
                    let response = try await transport.send(Self.request(method, server.port), body: nil)
                    try Self.expectEqual(try await Self.text(response), "", "the body of \(answer.prefix(12))")
                }
            }
        },
        Check("follows no redirect") { transport in
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
                try await connection.waitForClose()
            } _: { server in
                let response = try await transport.send(Self.request(server.port), body: nil)
                try Self.expectEqual(response.head.status.code, 302, "the status")
                try Self.expectEqual(response.head.headerFields[.location], "/elsewhere", "location")
                _ = try await Self.text(response)
            }
        },
        Check("keeps no cookie, and brings each Set-Cookie by itself") { transport in
            let second = Locked("")
            try await ScriptedServer.run { connection in
                while let head = try await connection.requestHead() {
                    second.withLock { $0 = head }
                    try await connection.write(
                        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"
                            + "set-cookie: a=1; Expires=Wed, 21 Oct 2065 07:28:00 GMT\r\nset-cookie: b=2; Path=/\r\n\r\n"
                    )
                }
            } _: { server in
                let response = try await transport.send(Self.request(server.port), body: nil)
                let cookies = response.head.headerFields[values: .setCookie]
                try Self.expectEqual(
                    cookies, ["a=1; Expires=Wed, 21 Oct 2065 07:28:00 GMT", "b=2; Path=/"], "set-cookie")
                _ = try await Self.text(response)
                _ = try await Self.text(try await transport.send(Self.request(server.port), body: nil))
            }
            try Self.expect(
                !second.withLock { $0 }.lowercased().contains("cookie:"), "the second request has no cookie")
        },
        Check("uses a connection again once an answer is read") { transport in
            let connections = Locked(0)
            try await ScriptedServer.run { connection in
                connections.withLock { $0 += 1 }
                while try await connection.requestHead() != nil {
                    try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
                }
            } _: { server in
                for _ in 0..<5 {
                    _ = try await Self.text(try await transport.send(Self.request(server.port), body: nil))
                }
            }
            try Self.expectEqual(connections.withLock { $0 }, 1, "the number of connections")
        },
    ]
}
