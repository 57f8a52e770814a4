// SPDX-License-Identifier: Apache-2.0

/// What a frame carries.
///
/// - Source: RFC 6455 §5.2 and §11.8; all other values are reserved.
package enum Opcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Whether it speaks of the connection and not of a message: then it is short and never in fragments.
    var isControl: Bool { self.rawValue & 0x8 != 0 }
}

/// Which side of a connection one is: a client masks what it sends, a server must not.
package enum Role: Sendable {
    case client
    case server
}
