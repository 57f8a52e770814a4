// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Looks a host up and refuses it before anything is connected, if any of its addresses is not allowed.
///
/// The check that counts is the one on the connection itself; this one comes first so that whoever names a private host learns
/// nothing from how long a connection to it takes, or whether one could be made at all.
struct AddressCheck: Sendable {
    let rules: AddressRules

    /// - Throws: ``APIClientError`` of kind `addressNotAllowed`; nothing if the host is not known, since connecting will say so.
    func check(authority: String) async throws {
        guard !self.rules.allowsPrivateAddresses else { return }
        let host = Self.host(of: authority)
        let addresses = try await NIOThreadPool.singleton.runIfActive { Self.addresses(of: host) }
        guard addresses.allSatisfy(self.rules.allows) else {
            throw APIClientError(.addressNotAllowed, message: "\(host) is or has a private address")
        }
    }

    private static func host(of authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    private static func addresses(of host: String) -> [SocketAddress] {
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, nil, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            switch entry.pointee.ai_family {
            case AF_INET:
                entry.pointee.ai_addr.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    addresses.append(SocketAddress($0.pointee, host: host))
                }
            case AF_INET6:
                entry.pointee.ai_addr.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    addresses.append(SocketAddress($0.pointee, host: host))
                }
            default: break
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}
