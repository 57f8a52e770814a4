// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

extension Reliability {
    @Suite("Being let in, and not being listened to")
    struct AccessTests {
        /// Makes an authority, and a certificate that it has signed for `localhost`.
        private func makeCertificates(in folder: URL) async throws -> [String] {
            func file(_ name: String) -> String { folder.appendingPathComponent(name).path }
            let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            let subject = ["-addext", "subjectAltName=DNS:localhost", "-subj", "/CN=localhost"]
            try await PrivateMariaDB.call(
                ["openssl", "req", "-x509"] + key + ["-days", "2", "-subj", "/CN=authority"]
                    + ["-keyout", file("authority.key"), "-out", file("authority.pem")])
            try await PrivateMariaDB.call(
                ["openssl", "req", "-x509"] + key + ["-days", "2", "-CA", file("authority.pem")]
                    + ["-CAkey", file("authority.key")] + subject
                    + ["-keyout", file("server.key"), "-out", file("server.pem")])
            return ["--ssl-key=\(file("server.key"))", "--ssl-cert=\(file("server.pem"))"]
        }

        @Test(
            "a connection is encrypted and the server verified as the URL says; results that fill records do not stall")
        func tls() async throws {
            try await PrivateMariaDB.run(prepare: self.makeCertificates) { server in
                let authority = server.folder.appendingPathComponent("authority.pem").path
                func cipher(_ host: String, _ parameters: String) async throws -> String {
                    let url = "mariadb://root@\(host):\(server.port)/mysql?connect_timeout=5\(parameters)"
                    return try await withDatabase(at: url) { database in
                        let rows = try await database.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
                        return try rows[0].decode(at: 1)
                    }
                }
                for (host, parameters) in [
                    ("127.0.0.1", "&sslmode=prefer"), ("127.0.0.1", "&sslmode=require"),
                    ("127.0.0.1", "&sslmode=verify-ca&sslrootcert=\(authority)"),
                    ("localhost", "&sslmode=verify-full&sslrootcert=\(authority)"),
                ] {
                    let name = try await cipher(host, parameters)
                    #expect(!name.isEmpty, "\(parameters)")
                }
                let plain = try await cipher("127.0.0.1", "&sslmode=disable")
                #expect(plain.isEmpty)
                for (host, parameters) in [
                    // Another name than the certificate's; an authority that has not signed it; one that nobody knows.
                    ("127.0.0.1", "&sslmode=verify-full&sslrootcert=\(authority)"),
                    ("localhost", "&sslmode=verify-ca&sslrootcert=/etc/ssl/certs/ca-certificates.crt"),
                    ("localhost", "&sslmode=verify-full"),
                ] {
                    let error = await failure { _ = try await cipher(host, parameters) }
                    #expect((error as? SQLError)?.kind == .configuration, "\(parameters): \(error as Any)")
                }
                try await withDatabase(at: server.url("?sslmode=require")) { database in
                    for multiple in [1, 2, 64] {
                        for difference in stride(from: -90, through: 10, by: 20) {
                            let size = multiple * 16_384 + difference
                            let text = try await database.scalar("SELECT repeat('x', \(size))", as: String.self)
                            #expect(text.utf8.count == size)
                        }
                    }
                    let task = Task { try await database.rows("SELECT SLEEP(100)") }
                    try await database.wait(
                        until: "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")
                    task.cancel()
                    await #expect(throws: CancellationError.self) { try await task.value }
                }
            }
        }

        @Test("a wrong password is refused at once, and is in no message")
        func passwords() async throws {
            try await PrivateMariaDB.run { server in
                try await withDatabase(at: server.url()) { database in
                    _ = try await database.execute(
                        "CREATE USER 'guarded'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('r1ght/p@ss')")
                }
                let host = "127.0.0.1:\(server.port)/"
                let user = try await withDatabase(at: "mysql://guarded:r1ght%2Fp%40ss@\(host)") {
                    try await $0.scalar("SELECT CURRENT_USER()", as: String.self)
                }
                #expect(user == "guarded@%")
                for wrong in ["guarded:wr0ng-pass", "guarded", "nobody:wr0ng-pass"] {
                    let error = await failure { try await withDatabase(at: "mysql://\(wrong)@\(host)") { _ in } }
                    #expect((error as? SQLError)?.kind == .authentication, "\(error as Any)")
                    #expect((error as? SQLError)?.description.contains("wr0ng") == false)
                }
            }
        }

        @Test("the server gets no file of ours")
        func localFiles() async throws {
            try await withDatabase { database, _ in
                _ = try await database.execute("CREATE TABLE t (line TEXT)")
                let error = await failure {
                    _ = try await database.execute("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t")
                }
                #expect(error is SQLError)
                #expect(try await database.scalar("SELECT count(*) FROM t", as: Int.self) == 0)
            }
        }
    }
}
