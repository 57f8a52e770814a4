// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

#if canImport(Glibc)
    import Glibc
#endif

/// A MariaDB server of one test's own, to be killed, halted and restarted; nothing of it is left when the test ends.
///
/// Its files lie beside those of the server that `scripts/with-servers` has started, which that script removes even if the tests are
/// killed; the server itself ends after five minutes whatever happens.
final class PrivateMariaDB: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The port it listens on, at 127.0.0.1; the same after a restart.
    let port: Int
    /// Where its files lie.
    let folder: URL
    private let settings: [String]
    private let running = Locked<ServerRun?>(nil)

    private init(port: Int, folder: URL, settings: [String]) {
        self.port = port
        self.folder = folder
        self.settings = settings
    }

    /// Runs a server as long as `body` runs.
    ///
    /// - Parameters:
    ///   - settings: Its options, for example `--ssl-key=file`.
    ///   - prepare: Called with its folder before it starts; returns more options.
    ///   - body: Given the server.
    static func run<Value>(
        settings: [String] = [], prepare: (URL) async throws -> [String] = { _ in [] },
        _ body: (PrivateMariaDB) async throws -> Value
    ) async throws -> Value {
        let folder = try Self.base().appendingPathComponent("private-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await Self.call(["cp", "-R", try await template.value.path, folder.path])
        let server = PrivateMariaDB(
            port: try Self.freePort(), folder: folder, settings: settings + (try await prepare(folder)))
        let result: Result<Value, any Error>
        do {
            try await server.start()
            result = .success(try await body(server))
        } catch {
            result = .failure(error)
        }
        await server.kill()
        return try result.get()
    }

    /// A database folder to copy, since making one takes a second or two.
    private static let template = Task {
        let name = "template-\(ProcessInfo.processInfo.processIdentifier)"
        let folder = try PrivateMariaDB.base().appendingPathComponent(name)
        try await PrivateMariaDB.call([
            "mariadb-install-db", "--no-defaults", "--datadir=\(folder.path)",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M",
        ])
        return folder
    }

    /// Runs a program to its end, as the user who runs the servers.
    static func call(_ arguments: [String]) async throws {
        let log = try Self.base().appendingPathComponent("\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let run = try ServerRun(arguments, log: log)
        let status = await run.waitForExit()
        if status != 0 { throw Failure(description: "\(arguments) ended with \(status): \(run.text)") }
    }

    private static func base() throws -> URL {
        let socket = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_MARIADB_SOCKET"],
            "SLUICE_TEST_MARIADB_SOCKET is not set; run make test")
        return URL(fileURLWithPath: socket).deletingLastPathComponent()
    }

    // MARK: Life

    /// Starts the server and returns when it answers.
    func start() async throws {
        let run = try ServerRun(
            [
                "timeout", "--foreground", "-s", "KILL", "300", "mariadbd", "--no-defaults",
                "--datadir=\(self.folder.path)", "--socket=\(self.folder.path)/socket", "--port=\(self.port)",
                "--bind-address=127.0.0.1", "--pid-file=\(self.folder.path)/pid",
                // To the system at each commit, so that a killed server has forgotten none.
                "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
            ] + self.settings, log: self.folder.appendingPathComponent("log"))
        self.running.withLock { $0 = run }
        while await !self.answers() {
            guard run.isRunning else { throw Failure(description: "MariaDB did not start: \(run.text)") }
        }
        let text = try String(contentsOf: self.folder.appendingPathComponent("pid"), encoding: .utf8)
        run.identifier.withLock { $0 = Int32(text.split(separator: "\n").first ?? "") }
    }

    private func answers() async -> Bool {
        guard let settings = try? MySQLSettings(DatabaseURL(self.url())),
            let connection = try? await MySQLConnection.open(settings)
        else { return false }
        await connection.close()
        return true
    }

    /// Ends the server at once, as by `kill -9`.
    func kill() async { await self.end(by: SIGKILL) }

    /// Shuts the server down in good order.
    func stop() async { await self.end(by: SIGTERM) }

    private func end(by signal: Int32) async {
        guard let run = self.running.withLock({ $0 }) else { return }
        run.signal(signal)
        _ = await run.waitForExit()
        self.running.withLock { $0 = nil }
    }

    /// Halts the server, and returns once every thread of it stands still.
    func freeze() async {
        guard let run = self.running.withLock({ $0 }) else { return }
        run.signal(SIGSTOP)
        while !run.isHalted { await Task.yield() }
    }

    /// Lets the server go on.
    func thaw() { self.running.withLock { $0 }?.signal(SIGCONT) }

    /// The URL of one of its databases.
    func url(_ parameters: String = "") -> String { "mariadb://root@127.0.0.1:\(self.port)/mysql\(parameters)" }

    /// A port that nobody listens on, below those the system gives to clients: else a client that tries to reach a server that is
    /// down could be given the server's port, and reach itself.
    static func freePort() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 15_000..<32_000)
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(socket) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if status == 0 { return port }
        }
        throw Failure(description: "no port is free")
    }
}

/// A program run as an ordinary user even by root, and what it has said so far.
final class ServerRun: Sendable {
    private let process = Process()
    private let log: URL
    private let exit: Task<Int32, Never>
    /// The process to signal, where that is not the one that was started.
    let identifier = Locked<Int32?>(nil)

    /// Whether every thread of it has been stopped.
    var isHalted: Bool {
        let folder = "/proc/\(self.identifier.withLock { $0 } ?? self.process.processIdentifier)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return threads.allSatisfy { thread in
            let text = (try? String(contentsOfFile: "\(folder)/\(thread)/stat", encoding: .utf8)) ?? ""
            // The state stands behind the name, which is in parentheses.
            return text.split(separator: ")").last?.split(separator: " ").first == "T"
        }
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - arguments: The program and what it is called with.
    ///   - log: The file that gets what it says. No pipe, since its children would keep that open.
    init(_ arguments: [String], log: URL) throws {
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        let user =
            getuid() == 0
            ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "HOME=/nonexistent"] : []
        let (exits, exit) = AsyncStream<Int32>.makeStream()
        self.log = log
        self.exit = Task { await exits.first { _ in true } ?? -1 }
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = user + arguments
        self.process.currentDirectoryURL = URL(fileURLWithPath: "/")
        self.process.standardInput = FileHandle.nullDevice
        self.process.standardOutput = output
        self.process.standardError = output
        self.process.terminationHandler = { process in
            exit.yield(process.terminationStatus)
            exit.finish()
        }
        try self.process.run()
    }

    /// The end of what it has said.
    var text: String { String(((try? String(contentsOf: self.log, encoding: .utf8)) ?? "").suffix(2_000)) }

    var isRunning: Bool { self.process.isRunning }

    /// Returns when it has ended.
    func waitForExit() async -> Int32 { await self.exit.value }

    func signal(_ number: Int32) {
        guard self.process.isRunning else { return }
        Glibc.kill(self.identifier.withLock { $0 } ?? self.process.processIdentifier, number)
    }
}
