// SPDX-License-Identifier: Apache-2.0
public import NIOCore

/// Which addresses the client may talk to.
///
/// Whoever can make a server fetch a URL can reach what only the server can reach, unless the server looks at the address it
/// talks to: not at the name, which can point anywhere and change between the look and the call.
public struct AddressRules: Sendable, Hashable {
    /// Whether loopback, private, link-local and other addresses that are not of the public Internet are allowed.
    public let allowsPrivateAddresses: Bool

    /// Creates rules.
    public init(allowsPrivateAddresses: Bool = false) {
        self.allowsPrivateAddresses = allowsPrivateAddresses
    }

    /// Whether a connection to `address` may be used.
    public func allows(_ address: SocketAddress?) -> Bool {
        if self.allowsPrivateAddresses { return true }
        switch address {
        case .v4(let address):
            // The address lies behind family and port: bytes 4 to 7 of sockaddr_in, 8 to 23 of sockaddr_in6.
            return withUnsafeBytes(of: address.address) { Self.isPublic($0[4..<8].reduce(0) { $0 << 8 | UInt32($1) }) }
        case .v6(let address):
            return withUnsafeBytes(of: address.address) { Self.isPublic(Array($0[8..<24])) }
        case .unixDomainSocket, nil:
            return false
        }
    }

    /// - Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890), as of 2025: what is not "globally reachable".
    private static let special: [(prefix: UInt32, length: UInt32)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
        (0xC000_0000, 24), (0xC000_0200, 24), (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15),
        (0xC633_6400, 24),
        (0xCB00_7100, 24), (0xE000_0000, 4), (0xF000_0000, 4),
    ]

    private static func isPublic(_ bits: UInt32) -> Bool {
        !self.special.contains { bits >> (32 - $0.length) == $0.prefix >> (32 - $0.length) }
    }

    /// - Source: IANA IPv6 Special-Purpose Address Registry (RFC 6890), as of 2025. Only 2000::/3 is given out at all.
    private static func isPublic(_ bytes: [UInt8]) -> Bool {
        func embedded(at index: Int) -> Bool {
            self.isPublic(bytes[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) })
        }
        let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        if isMapped { return embedded(at: 12) }
        let isTranslated = bytes[0..<4] == [0x00, 0x64, 0xFF, 0x9B] && bytes[4..<12].allSatisfy { $0 == 0 }
        if isTranslated { return embedded(at: 12) }
        guard bytes[0] & 0xE0 == 0x20 else { return false }
        switch (bytes[0], bytes[1]) {
        case (0x20, 0x02): return embedded(at: 2)
        // 2001::/23 holds Teredo, ORCHID and benchmarking, 2001:db8::/32 documentation.
        case (0x20, 0x01): return bytes[2] >= 0x02 && !(bytes[2] == 0x0D && bytes[3] == 0xB8)
        case (0x3F, 0xFF): return bytes[2] & 0xF0 != 0
        default: return true
        }
    }
}
