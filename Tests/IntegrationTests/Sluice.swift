// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SluiceTesting
import Testing

/// The executable as its users run it: a process of its own, in a folder of its own.
final class Sluice: Sendable {
    struct Result: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    /// The executable beside the test bundle.
    static var executable: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("sluice")
    }

    static var samples: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../samples").standardized
            .path
    }

    /// Runs a command to its end.
    static func run(_ arguments: [String], in folder: URL, environment: [String: String] = [:]) async throws -> Result {
        let sluice = try Sluice(arguments, in: folder, environment: environment)
        return try await sluice.waitForExit()
    }

    private let process: Process
    private let output: Locked<String>
    private let errors: Locked<String>
    private let exit: Task<Int32, Never>
    /// Ends once both pipes have: the last of what a process wrote may be read after its end is known.
    private let drained: Task<Void, Never>

    init(_ arguments: [String], in folder: URL, environment: [String: String] = [:]) throws {
        let process = Process()
        process.executableURL = Self.executable
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = environment
        (self.output, self.errors) = (Locked(""), Locked(""))
        let (ends, ended) = AsyncStream<Void>.makeStream()
        for (pipe, text) in [(Pipe(), self.output), (Pipe(), self.errors)] {
            pipe.fileHandleForReading.readabilityHandler = { handle in
                let data = handle.availableData
                if data.isEmpty {
                    handle.readabilityHandler = nil
                    ended.yield()
                }
                text.withLock { $0 += String(decoding: data, as: UTF8.self) }
            }
            if text === self.output { process.standardOutput = pipe } else { process.standardError = pipe }
        }
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { process in
            continuation.yield(
                process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus)
            continuation.finish()
        }
        self.exit = Task { await stream.first { _ in true } ?? -1 }
        self.drained = Task { for await _ in ends.prefix(2) {} }
        self.process = process
        try process.run()
    }

    /// Sends a signal.
    func signal(_ number: Int32) {
        kill(self.process.processIdentifier, number)
    }

    /// Returns when the process has ended.
    func waitForExit() async throws -> Result {
        let status = await self.exit.value
        await self.drained.value
        return Result(status: status, output: self.output.withLock { $0 }, errors: self.errors.withLock { $0 })
    }

    /// The address it serves on, as soon as it says so.
    func waitForAddress() async throws -> String {
        while true {
            let output = self.output.withLock { $0 }
            if let range = output.range(of: #"http://127\.0\.0\.1:\d+"#, options: .regularExpression) {
                return String(output[range])
            }
            if !self.process.isRunning { throw Failure(errors: self.errors.withLock { $0 }) }
            await Task.yield()
        }
    }

    /// Returns once the process has logged this.
    func waitForLog(_ text: String) async throws {
        while !self.errors.withLock({ $0.contains(text) }) {
            if !self.process.isRunning { throw Failure(errors: self.errors.withLock { $0 }) }
            await Task.yield()
        }
    }

    struct Failure: Error {
        let errors: String
    }
}

/// A folder of its own for one test.
func withFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// A server process as long as `body` runs; ended by SIGTERM, and then it must exit with 0.
func withServer<Value: Sendable>(
    _ arguments: [String] = [], environment: [String: String] = [:],
    _ body: (_ address: String, _ folder: URL, _ server: Sluice) async throws -> Value
) async throws -> Value {
    try await withFolder { folder in
        let server = try Sluice(
            ["serve", "--port", "0", "--database", "sqlite:club.db"] + arguments, in: folder, environment: environment)
        do {
            let value = try await body(try await server.waitForAddress(), folder, server)
            server.signal(SIGTERM)
            let result = try await server.waitForExit()
            #expect(result.status == 0, "\(result.errors)")
            return value
        } catch {
            server.signal(SIGKILL)
            _ = try await server.waitForExit()
            throw error
        }
    }
}

/// Fetches a URL.
func fetch(_ url: String, method: String = "GET", body: String? = nil) async throws -> (status: UInt, body: String) {
    var request = HTTPClientRequest(url: url)
    request.method = .init(rawValue: method)
    if let body { request.body = .bytes(ByteBuffer(string: body)) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    return (response.status.code, String(buffer: try await response.body.collect(upTo: 1 << 24)))
}
