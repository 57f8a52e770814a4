// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A browser without a window.
enum Chromium {
    /// Opens a page, and closes the browser once `body` returns.
    static func open(_ url: String, _ body: @Sendable () async throws -> Void) async throws {
        let candidates = ["/usr/bin/chromium", "/Applications/Chromium.app/Contents/MacOS/Chromium"]
        let path = try #require(
            candidates.first { FileManager.default.isExecutableFile(atPath: $0) },
            "Chromium is not installed; run make test")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--user-data-dir=\(folder.path)", url,
        ]
        try await PeerProcess.run(path, arguments) { _ in try await body() }
    }
}
