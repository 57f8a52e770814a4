// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOSSL
import SluiceTesting
import SluiceWebSocket
import Testing

@Suite("A connection over TLS")
struct TLSTests {
    /// Runs `body` with a certificate for a name, signed by itself.
    private static func withCertificate<Value: Sendable>(
        for name: String, _ body: @Sendable (_ certificate: String, _ key: String) async throws -> Value
    ) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (certificate, key) = (folder.path + "/certificate.pem", folder.path + "/key.pem")
        let arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "1", "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-keyout", key, "-out", certificate,
        ]
        let status = try await PeerProcess.run("/usr/bin/env", arguments) { await $0.ended().status }
        try #require(status == 0)
        return try await body(certificate, key)
    }

    @Test(
        "is made only with a certificate that is trusted, for the name that was asked for",
        arguments: ["localhost", "elsewhere"])
    func certificates(name: String) async throws {
        try await Self.withCertificate(for: name) { certificate, key in
            let options = WebSocketServer.Options(
                connection: .patient(),
                tls: .makeServerConfiguration(
                    certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
                    privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
            try await withServer(options: options) { _, port in
                let url = "wss://localhost:\(port)/"
                let untrusted = await #expect(throws: WebSocketError.self) {
                    try await WebSocketClient(configuration: .patient()).connect(url)
                }
                #expect(untrusted?.kind == .unreachable)
                var tls = TLSConfiguration.makeClientConfiguration()
                tls.trustRoots = .file(certificate)
                let client = try WebSocketClient(configuration: .patient(), tls: tls)
                if name == "localhost" {
                    try await client.withConnection(url) { connection in
                        let text = String(repeating: "over TLS ", count: 20_000)
                        try await connection.send(text)
                        #expect(try await connection.receive() == .text(text))
                    }
                } else {
                    let wrongName = await #expect(throws: WebSocketError.self) { try await client.connect(url) }
                    #expect(wrongName?.kind == .unreachable)
                }
            }
        }
    }
}
