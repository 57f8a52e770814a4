// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Another's program that tests talk to.
final class Peer: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let process: Process
    private let output: Pipe

    private init(_ program: String, _ arguments: [String]) throws {
        self.process = Process()
        self.output = Pipe()
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = [program] + arguments
        self.process.standardInput = FileHandle.nullDevice
        self.process.standardOutput = self.output
        self.process.standardError = FileHandle.nullDevice
        try self.process.run()
    }

    /// Runs a program that prints the port it serves on, as long as `body` runs.
    static func run<Value>(
        _ program: String, _ arguments: [String], _ body: (_ port: Int) async throws -> Value
    ) async throws -> Value {
        let peer = try Peer(program, arguments)
        defer { peer.process.terminate() }
        let output = peer.output
        let line = await withCheckedContinuation { continuation in
            // Reading blocks, so it is done on a thread that may be blocked; it ends with the program at the latest.
            DispatchQueue.global().async {
                var text = Data()
                while !text.contains(UInt8(ascii: "\n")) {
                    let part = output.fileHandleForReading.availableData
                    if part.isEmpty { break }
                    text.append(part)
                }
                continuation.resume(returning: String(decoding: text, as: UTF8.self))
            }
        }
        guard let port = Int(line.split(separator: "\n").first ?? "") else {
            throw Failure(description: "\(program) \(arguments) said no port but: \(line)")
        }
        return try await body(port)
    }

    /// The project's folder.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// A Python with other people's packages, as scripts/install-peers makes it.
    static var python: String { "\(Self.root)/.build/peers/bin/python" }

    /// Runs httpbin and the parsers of multipart bodies.
    static func httpbin<Value>(_ body: (_ port: Int) async throws -> Value) async throws -> Value {
        try await self.run(self.python, ["\(Self.root)/Tests/Peers/http_peers.py"], body)
    }

    /// Runs nghttpd over TLS on a certificate's folder.
    static func nghttpd<Value>(
        _ certificate: Certificate, _ body: (_ port: Int) async throws -> Value
    ) async throws -> Value {
        let script = "\(Self.root)/Tests/Peers/nghttpd.py"
        return try await self.run(
            "python3", [script, certificate.folder.path, certificate.key, certificate.certificate], body)
    }

    /// Runs a server of h2, which refuses streams as it is told.
    static func h2<Value>(_ certificate: Certificate, _ body: (_ port: Int) async throws -> Value) async throws -> Value
    {
        let script = "\(Self.root)/Tests/Peers/h2_peer.py"
        return try await self.run(self.python, [script, certificate.key, certificate.certificate], body)
    }

    /// Runs squid as a proxy that asks for a user and password if `credentials` are `user:password`.
    static func proxy<Value>(
        credentials: String? = nil, allowing ports: [Int], _ body: (_ port: Int) async throws -> Value
    ) async throws -> Value {
        let script = "\(Self.root)/Tests/Peers/squid_proxy.py"
        return try await self.run(
            "python3", [script, credentials ?? "", ports.map(String.init).joined(separator: ",")], body)
    }
}
