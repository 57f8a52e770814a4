// SPDX-License-Identifier: Apache-2.0
import SluiceHTTP
import SluiceTesting
import Testing

@Suite("Transports keep the contract", .timeLimit(.minutes(5)))
struct TransportContractTests {
    let settings = HTTPTransportSettings.local

    @Test("on AsyncHTTPClient", arguments: HTTPTransportContract.checks)
    func asyncHTTPClient(check: HTTPTransportContract.Check) async throws {
        try await check.run { try AsyncHTTPClientTransport(settings: self.settings) }
    }

    /// Foundation's session on Linux cannot be held up, and stops the process at an answer that ends within its head.
    @Test("on URLSession", arguments: HTTPTransportContract.checks(for: .network))
    func urlSession(check: HTTPTransportContract.Check) async throws {
        try await check.run { URLSessionTransport(settings: self.settings) }
    }
}
