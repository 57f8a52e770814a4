// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceHTTP

extension HTTPTransportSettings {
    /// For the tests' own servers: on this machine, and not late where a busy machine makes them wait for their turn.
    static var local: HTTPTransportSettings {
        HTTPTransportSettings(rules: AddressRules(allowsPrivateAddresses: true), connectTimeout: .seconds(60))
    }
}

extension AsyncHTTPClientTransport {
    /// For the tests' own servers.
    static func local() -> AsyncHTTPClientTransport {
        AsyncHTTPClientTransport(
            rules: HTTPTransportSettings.local.rules, connectTimeout: HTTPTransportSettings.local.connectTimeout)
    }
}
