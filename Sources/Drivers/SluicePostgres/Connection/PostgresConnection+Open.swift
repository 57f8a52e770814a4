// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL

extension PostgresConnection {
    /// An open handle on its way from one thread to another.
    ///
    /// Unchecked, because it is a C pointer; the thread that has opened it keeps none.
    private struct Handle: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    /// Connects.
    ///
    /// On a thread of its own kind, since libpq looks names up and greets under TLS while it blocks.
    ///
    /// - Throws: ``SQLError`` of kind `authentication` if waiting does not help, else `connection`.
    static func open(
        _ parameters: [(String, String)], poolID: Int, reactor: PostgresReactor, statements: PostgresStatements,
        time: any TimeSource
    ) async throws -> PostgresConnection {
        let handle = try await offload { Handle(pointer: try Self.connect(parameters)) }
        return PostgresConnection(
            poolID: poolID, handle: handle.pointer, reactor: reactor, statements: statements, time: time)
    }

    private static func connect(_ parameters: [(String, String)]) throws(SQLError) -> OpaquePointer {
        let handle = Self.withCStrings(parameters.map(\.0)) { names in
            Self.withCStrings(parameters.map(\.1)) { values in PQconnectdbParams(names, values, 0) }
        }
        guard let handle else { throw SQLError(.storage, message: "no memory is left for a connection") }
        guard PQstatus(handle) == CONNECTION_OK else {
            defer { PQfinish(handle) }
            let text = SQLError.text(handle) ?? "no connection could be made"
            throw SQLError(Self.isPermanent(text) ? .authentication : .connection, message: text, hasRun: false)
        }
        // Else libpq writes the server's notices to standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        // A server at work looks whether its client is still there; else it would go on, and hold its locks, for as long as it takes.
        if PQserverVersion(handle) >= 14_00_00 {
            PQclear(PQexec(handle, "SET client_connection_check_interval = '2s'"))
        }
        guard PQsetnonblocking(handle, 1) == 0, PQenterPipelineMode(handle) == 1 else {
            defer { PQfinish(handle) }
            throw .lost(handle)
        }
        return handle
    }

    /// Whether a failure to connect is one that trying again does not mend.
    ///
    /// By its text, since libpq gives no code for it; the texts are its own and untranslated, as no locale is set.
    private static func isPermanent(_ text: String) -> Bool {
        let causes = [
            "password authentication failed", "no password supplied", "role \"", "database \"", "no pg_hba.conf entry",
            "could not translate host name", "invalid connection option", "invalid sslmode", "certificate",
        ]
        let passing = ["starting up", "shutting down", "too many connections", "recovery mode"]
        return !passing.contains { text.contains($0) } && causes.contains { text.contains($0) }
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
    ) -> Result {
        let copies = strings.map { Array($0.utf8CString) }
        return copies.flatMap(\.self).withUnsafeBufferPointer { bytes in
            var pointers: [UnsafePointer<CChar>?] = []
            var offset = 0
            for copy in copies {
                pointers.append(bytes.baseAddress.map { $0 + offset })
                offset += copy.count
            }
            pointers.append(nil)
            return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
        }
    }

    /// Answers whether the server does, within a second.
    func ping() async -> Bool {
        let request = PostgresRequest()
        let alarm = self.time.schedule(at: self.time.now.advanced(by: .seconds(1))) { self.fail(.unanswered) }
        defer { self.time.cancel(alarm) }
        do {
            try await self.ask(isShielded: true, request) { _ in self.sendPlain("SELECT 1") }
            PQclear(try request.take())
            return true
        } catch {
            return false
        }
    }

}
