// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceTesting

/// A program of PostgreSQL's, run as an ordinary user even by root: it refuses root, and needs nothing that root may.
final class ServerProcess: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let process: Process
    private let exit: Task<Int32, Never>

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: Its path.
    ///   - arguments: What it is called with.
    ///   - log: The file that gets what it says. No pipe, since its children would keep that open.
    init(_ program: String, _ arguments: [String], log: URL) throws {
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        let user =
            getuid() == 0
            ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "HOME=/nonexistent"] : []
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = user + [program] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { process in
            continuation.yield(process.terminationStatus)
            continuation.finish()
        }
        self.exit = Task { await stream.first { _ in true } ?? -1 }
        self.process = process
        try process.run()
    }

    /// Runs a program to its end.
    static func run(_ program: String, _ arguments: [String], log: URL) async throws {
        let status = await (try Self(program, arguments, log: log)).waitForExit()
        guard status == 0 else {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            throw Failure(description: "\(program) ended with \(status): \(text.suffix(2_000))")
        }
    }

    var identifier: Int32 { self.process.processIdentifier }
    var isRunning: Bool { self.process.isRunning }

    /// Returns when it has ended.
    @discardableResult
    func waitForExit() async -> Int32 { await self.exit.value }

    /// Sends a signal to the program alone.
    func signal(_ number: Int32) {
        if self.process.isRunning { kill(self.process.processIdentifier, number) }
    }

    /// Sends a signal to the program and to every process it has started.
    func signalAll(_ number: Int32) {
        guard self.process.isRunning else { return }
        let parent = self.process.processIdentifier
        // Halted first, so that it starts nothing in between.
        kill(parent, SIGSTOP)
        for child in Self.children(of: parent) { kill(child, number) }
        kill(parent, number)
    }

    private static func children(of parent: Int32) -> [Int32] {
        let list = try? String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .utf8)
        return list?.split(separator: " ").compactMap { Int32($0) } ?? []
    }
}
