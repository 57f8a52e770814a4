// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A key and a self-signed certificate for localhost, in files of its own as long as it lives.
final class Certificate: Sendable {
    let folder: URL

    /// Where the key is.
    var key: String { self.folder.appendingPathComponent("key.pem").path }
    /// Where the certificate is.
    var certificate: String { self.folder.appendingPathComponent("cert.pem").path }

    private init() throws {
        self.folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    }

    /// - Parameter days: In how many days it ends.
    static func make(days: Int = 2) async throws -> Certificate {
        let certificate = try Certificate()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Peer.python)
        process.arguments = [
            "\(Peer.root)/Tests/Peers/certificate.py", certificate.key, certificate.certificate, "\(days)",
        ]
        process.standardError = FileHandle.nullDevice
        // Waiting for it would block a thread that other tests need.
        let status = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch {
                process.terminationHandler = nil
                continuation.resume(throwing: error)
            }
        }
        guard status == 0 else {
            throw Peer.Failure(description: "no certificate could be made; run scripts/install-peers")
        }
        return certificate
    }

    deinit { try? FileManager.default.removeItem(at: self.folder) }
}
