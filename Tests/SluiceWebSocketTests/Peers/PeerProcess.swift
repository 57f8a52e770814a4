// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Somebody else's program, ended with its scope.
struct PeerProcess: Sendable {
    struct Ended: Sendable {
        let status: Int32
        let errors: String
    }

    private final class Running: Sendable {
        let process: Process
        let errors: URL
        let exit: AsyncStream<Int32>

        init(_ process: Process, errors: URL, exit: AsyncStream<Int32>) {
            self.process = process
            self.errors = errors
            self.exit = exit
        }
    }

    private let running: Running
    private let output: FileHandle

    /// The Python of the environment that `make test` has made, and our script for it.
    static func python() throws -> (python: String, script: String) {
        let peers = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_PEERS"], "SLUICE_TEST_PEERS is not set; run make test")
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Peers")
        return (peers + "/bin/python", tests.standardized.appendingPathComponent("websocket_peers.py").path)
    }

    /// Runs a program as long as `body` runs.
    static func run<Value: Sendable>(
        _ path: String, _ arguments: [String], _ body: @Sendable (PeerProcess) async throws -> Value
    ) async throws -> Value {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let (input, output) = (Pipe(), Pipe())
        let errors = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString).err")
        try Data().write(to: errors)
        defer { try? FileManager.default.removeItem(at: errors) }
        (process.standardInput, process.standardOutput) = (input, output)
        process.standardError = try FileHandle(forWritingTo: errors)
        let (exit, continuation) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = { process in
            continuation.yield(process.terminationStatus)
            continuation.finish()
        }
        try process.run()
        let peer = PeerProcess(
            running: Running(process, errors: errors, exit: exit), output: output.fileHandleForReading)
        defer {
            try? input.fileHandleForWriting.close()
            if process.isRunning { process.terminate() }
        }
        return try await body(peer)
    }

    private init(running: Running, output: FileHandle) {
        self.running = running
        self.output = output
    }

    /// The port it prints first.
    func port() async throws -> Int {
        // Read on a thread of its own: the program may take long to start.
        let line = await withCheckedContinuation { continuation in
            let output = self.output
            Thread.detachNewThread { continuation.resume(returning: output.availableData) }
        }
        let text = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return try #require(Int(text), "\(self.errors)")
    }

    /// Waits until it has ended by itself.
    func ended() async -> Ended {
        let status = await self.running.exit.first { _ in true } ?? -1
        return Ended(status: status, errors: self.errors)
    }

    private var errors: String { (try? String(contentsOf: self.running.errors, encoding: .utf8)) ?? "" }
}
