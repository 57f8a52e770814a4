// SPDX-License-Identifier: Apache-2.0
import NIOCore
import SluiceHTTP
import Testing

@Suite("Address rules")
struct AddressRulesTests {
    @Test(
        "refuse what is not of the public Internet",
        arguments: [
            "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1",
            "fd12::1",
            "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
            "2001::1", "100::1",
        ])
    func refused(address: String) throws {
        #expect(!AddressRules().allows(try SocketAddress(ipAddress: address, port: 80)))
        #expect(AddressRules(allowsPrivateAddresses: true).allows(try SocketAddress(ipAddress: address, port: 80)))
    }

    @Test(
        "allow public addresses",
        arguments: [
            "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.128.0.1", "172.32.0.1", "192.167.255.255", "223.255.255.255",
            "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::",
        ])
    func allowed(address: String) throws {
        #expect(AddressRules().allows(try SocketAddress(ipAddress: address, port: 80)))
    }
}
