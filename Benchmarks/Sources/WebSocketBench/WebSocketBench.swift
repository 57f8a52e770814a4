// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceWebSocket

/// Our side of the WebSocket benchmark.
///
/// ```text
/// WebSocketBench server PORT plain|deflate
/// WebSocketBench client PORT plain|deflate SOCKETS SECONDS
/// ```
@main
enum WebSocketBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let port = Int(arguments[2]) else { fatalError("see the source for the arguments") }
        let configuration = WebSocketConfiguration(
            compression: arguments[3] == "deflate" ? WebSocketCompression(threshold: 1) : nil)
        switch arguments[1] {
        case "server":
            let options = WebSocketServer.Options(connection: configuration)
            try await WebSocketServer(port: port, options: options) { connection in
                while let message = try await connection.receive() { try await connection.send(message) }
            }.run()
        case "client":
            guard arguments.count == 6, let sockets = Int(arguments[4]), let seconds = Double(arguments[5]) else {
                fatalError("see the source for the arguments")
            }
            try await self.client(port, configuration, sockets: sockets, seconds: seconds)
        default: fatalError("see the source for the arguments")
        }
    }

    private static func client(
        _ port: Int, _ configuration: WebSocketConfiguration, sockets: Int, seconds: Double
    ) async throws {
        let client = try WebSocketClient(configuration: configuration)
        let text = String(repeating: "0123456789", count: 10)
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        let before = self.processorSeconds
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<sockets {
                group.addTask {
                    try await client.withConnection("ws://127.0.0.1:\(port)/") { connection in
                        var count = 0
                        while ContinuousClock.now < end {
                            try await connection.send(text)
                            guard try await connection.receive() == .text(text) else { fatalError("another answer") }
                            count += 1
                        }
                        return count
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        let elapsed = (ContinuousClock.now - start).inSeconds
        print("{\"echoes\": \(count), \"seconds\": \(elapsed), \"cpu\": \(self.processorSeconds - before)}")
    }

    private static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
