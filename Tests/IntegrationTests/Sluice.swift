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
    // Files and not pipes: what a process wrote is all there when it has ended, whoever else inherited a pipe's end.
    private let outputFile: URL
    private let errorFile: URL
    private let exit: Task<Int32, Never>

    init(_ arguments: [String], in folder: URL, environment: [String: String] = [:]) throws {
        let process = Process()
        process.executableURL = Self.executable
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = environment
        let files = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
        self.outputFile = files.appendingPathExtension("out")
        self.errorFile = files.appendingPathExtension("err")
        for file in [self.outputFile, self.errorFile] { try Data().write(to: file) }
        process.standardOutput = try FileHandle(forWritingTo: self.outputFile)
        process.standardError = try FileHandle(forWritingTo: self.errorFile)
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { process in
            continuation.yield(
                process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus)
            continuation.finish()
        }
        self.exit = Task { await stream.first { _ in true } ?? -1 }
        self.process = process
        try process.run()
    }

    deinit {
        for file in [self.outputFile, self.errorFile] { try? FileManager.default.removeItem(at: file) }
    }

    private var output: String { (try? String(contentsOf: self.outputFile, encoding: .utf8)) ?? "" }
    private var errors: String { (try? String(contentsOf: self.errorFile, encoding: .utf8)) ?? "" }

    /// Whether the process has not ended.
    var isRunning: Bool { self.process.isRunning }

    /// Sends a signal.
    func signal(_ number: Int32) {
        kill(self.process.processIdentifier, number)
    }

    /// Returns when the process has ended.
    func waitForExit() async throws -> Result {
        let status = await self.exit.value
        return Result(status: status, output: self.output, errors: self.errors)
    }

    /// The address it serves on, as soon as it says so.
    func waitForAddress() async throws -> String {
        while true {
            let output = self.output
            if let range = output.range(of: #"http://127\.0\.0\.1:\d+"#, options: .regularExpression) {
                return String(output[range])
            }
            if !self.process.isRunning { throw Failure(errors: self.errors) }
            await Task.yield()
        }
    }

    /// Returns once the process has logged this.
    func waitForLog(_ text: String) async throws {
        while !self.errors.contains(text) {
            if !self.process.isRunning { throw Failure(errors: self.errors) }
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
