// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting

#if canImport(Glibc)
    import Glibc
#endif

/// A PostgreSQL server of one test's own, to be killed, stopped and restarted; nothing of it is left when the test ends.
///
/// Its files lie in the folder of the server that `scripts/with-servers` has started, which that script removes even if the tests
/// are killed; a server whose files are gone ends by itself.
final class PrivatePostgres: Sendable {
    /// The port it listens on, at 127.0.0.1; the same after a restart.
    let port: Int
    /// Where its files lie.
    let folder: URL

    private let settings: [String]
    private let running = Locked<ServerProcess?>(nil)

    private init(port: Int, folder: URL, settings: [String]) {
        self.port = port
        self.folder = folder
        self.settings = settings
    }

    /// Runs a server as long as `body` runs.
    ///
    /// - Parameters:
    ///   - settings: Its settings, `name=value`.
    ///   - access: Lines of `pg_hba.conf` that come before those that let everybody in.
    ///   - hasTLS: Whether it offers TLS, with a certificate that nobody has signed.
    ///   - body: Given the server.
    static func run<Value>(
        settings: [String] = [], access: [String] = [], hasTLS: Bool = false,
        _ body: (PrivatePostgres) async throws -> Value
    ) async throws -> Value {
        let base = try PostgresPrograms.folder()
        let folder = base.appendingPathComponent("private-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = base.appendingPathComponent("private-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        try await ServerProcess.run("cp", ["-R", try await template.value.path, folder.path], log: log)
        var settings = settings
        if hasTLS {
            let (key, certificate) = (
                folder.appendingPathComponent("key"), folder.appendingPathComponent("certificate")
            )
            try await ServerProcess.run(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", key.path, "-out", certificate.path,
                ], log: log)
            settings += ["ssl=on", "ssl_key_file=\(key.path)", "ssl_cert_file=\(certificate.path)"]
        }
        let open = ["host all all 127.0.0.1/32 trust"]
        try (access + open).map { $0 + "\n" }.joined()
            .write(to: folder.appendingPathComponent("access.conf"), atomically: false, encoding: .utf8)
        settings.append("hba_file=\(folder.path)/access.conf")
        let server = PrivatePostgres(port: try PostgresPrograms.freePort(), folder: folder, settings: settings)
        do {
            try await server.start()
            let value = try await body(server)
            await server.end()
            return value
        } catch {
            await server.end()
            throw error
        }
    }

    /// A database folder to copy, since making one takes a second or two.
    private static let template = Task {
        let base = try PostgresPrograms.folder()
        // Each process has its own: the servers may outlive one, as when the same tests are run again and again.
        let name = "template-\(ProcessInfo.processInfo.processIdentifier)"
        let folder = base.appendingPathComponent(name)
        let log = base.appendingPathComponent("\(name).log")
        try await ServerProcess.run(
            try PostgresPrograms.path("initdb"),
            ["-D", folder.path, "-U", "sluice", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"], log: log)
        return folder
    }

    /// The URL of its database.
    func url(_ parameters: String = "") -> String { "postgres://sluice@127.0.0.1:\(self.port)/postgres\(parameters)" }

    // MARK: Life

    /// Starts the server and returns when it answers.
    func start() async throws {
        let log = self.folder.appendingPathComponent("log")
        // What a killed server has left running keeps its successor from starting for a moment.
        for _ in 0..<1_000 {
            let arguments =
                ["-D", self.folder.path, "-p", "\(self.port)"]
                + ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off"]
                .flatMap { ["-c", $0] } + self.settings.flatMap { ["-c", $0] }
            let process = try ServerProcess(try PostgresPrograms.path("postgres"), arguments, log: log)
            self.running.withLock { $0 = process }
            if await self.answers(process) { return }
            await process.waitForExit()
        }
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        throw ServerProcess.Failure(description: "PostgreSQL did not start: \(text.suffix(2_000))")
    }

    /// Waits until the server is ready, as it says in its own file.
    private func answers(_ process: ServerProcess) async -> Bool {
        let file = self.folder.appendingPathComponent("postmaster.pid")
        while process.isRunning {
            let lines = (try? String(contentsOf: file, encoding: .utf8))?.split(separator: "\n") ?? []
            // The file may still be that of a server that was killed.
            if lines.first.flatMap({ Int32($0) }) == process.identifier, lines.last?.hasPrefix("ready") == true {
                return true
            }
            await Task.yield()
        }
        return false
    }

    /// Ends the server and every session of it at once, as by `kill -9`.
    func kill() async {
        guard let process = self.running.withLock({ $0 }) else { return }
        process.signalAll(SIGKILL)
        await process.waitForExit()
    }

    /// Shuts the server down in good order, whoever is connected.
    func stop() async {
        guard let process = self.running.withLock({ $0 }) else { return }
        process.signal(SIGINT)
        await process.waitForExit()
    }

    /// Halts the server and every session of it.
    func freeze() { self.running.withLock { $0 }?.signalAll(SIGSTOP) }

    /// Lets the server and every session of it go on.
    func thaw() { self.running.withLock { $0 }?.signalAll(SIGCONT) }

    private func end() async {
        await self.kill()
        self.running.withLock { $0 = nil }
    }
}

/// Where PostgreSQL's programs are, and where servers may put files.
enum PostgresPrograms {
    static func path(_ program: String) throws -> String {
        "\(try Self.variable("SLUICE_TEST_POSTGRES_BIN"))/\(program)"
    }

    static func folder() throws -> URL {
        URL(fileURLWithPath: try Self.variable("SLUICE_TEST_POSTGRES_SOCKET"))
    }

    static func variable(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            throw ServerProcess.Failure(description: "\(name) is not set; run make test")
        }
        return value
    }

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
        throw ServerProcess.Failure(description: "no port is free")
    }
}
