// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A program of other people's that serves on this machine as long as `body` runs; `Tests/Peers/serve.py` knows which
/// there are.
func withPeer<Value: Sendable>(
    _ name: String, _ body: @Sendable (_ address: String) async throws -> Value
) async throws -> Value {
    let peers = try #require(
        ProcessInfo.processInfo.environment["SLUICE_TEST_PEERS"], "run make test, or set SLUICE_TEST_PEERS")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Peers/serve.py").standardized.path
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(peers)/bin/python")
    process.arguments = [script, name]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    let (lines, continuation) = AsyncStream<String>.makeStream()
    output.fileHandleForReading.readabilityHandler = { handle in
        let data = handle.availableData
        continuation.yield(String(decoding: data, as: UTF8.self))
        if data.isEmpty { continuation.finish() }
    }
    try process.run()
    // By a signal: the other ends of its pipes may have been inherited by whatever else was started meanwhile. If this
    // process is
    // killed, it ends with its standard input.
    defer {
        output.fileHandleForReading.readabilityHandler = nil
        process.terminate()
        process.waitUntilExit()
        try? input.fileHandleForWriting.close()
    }
    var text = ""
    for await part in lines {
        text += part
        if text.contains("\n") || part.isEmpty { break }
    }
    let port = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), "\(name) did not start")
    return try await body("http://127.0.0.1:\(port)")
}
