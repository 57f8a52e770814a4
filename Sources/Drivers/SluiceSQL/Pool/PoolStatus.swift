// SPDX-License-Identifier: Apache-2.0

/// How a connection is lent.
public enum LeaseKind: String, Sendable, Hashable, CaseIterable {
    /// To one caller alone, for a transaction or a session.
    case exclusive
    /// To several callers at once, each for one statement: how statements are pipelined when no connection is idle.
    case shared
}

/// What the connections of a pool do at one moment.
public struct PoolStatus: Sendable, Hashable, CustomStringConvertible {
    /// Connections that take a place, of whatever state: never more than the settings' `size` and `overflow` together.
    public var size = 0
    /// Those that nobody uses.
    public var idle = 0
    /// Those in use, ones that are being pinged included.
    public var lent = 0
    /// Those being opened.
    public var connecting = 0
    /// Those being closed, which the server may still count.
    public var closing = 0
    /// How often connections are lent: more than `lent` where statements share one.
    public var leases = 0
    /// Callers that wait.
    public var waiting = 0

    /// States counts.
    public init(
        size: Int = 0, idle: Int = 0, lent: Int = 0, connecting: Int = 0, closing: Int = 0, leases: Int = 0,
        waiting: Int = 0
    ) {
        self.size = size
        self.idle = idle
        self.lent = lent
        self.connecting = connecting
        self.closing = closing
        self.leases = leases
        self.waiting = waiting
    }

    /// One line.
    public var description: String {
        "\(self.idle) idle, \(self.lent) lent, \(self.connecting) connecting, \(self.closing) closing, "
            + "\(self.waiting) waiting"
    }
}

/// Why a connection was closed; a struct, so that a new reason breaks nobody's `switch`.
public struct PoolCloseReason: Sendable, Hashable, CustomStringConvertible {
    private enum Value: String {
        case lifetime, idle, overflow, broken, pingFailed, invalidated, poolClosed
    }
    private let value: Value

    /// It was as old as a connection may become.
    public static let lifetime = Self(value: .lifetime)
    /// Nobody had used it for long.
    public static let idle = Self(value: .idle)
    /// It came back, nobody waited, and there are more than `size`.
    public static let overflow = Self(value: .overflow)
    /// Its borrower said that it must not be used again.
    public static let broken = Self(value: .broken)
    /// It did not answer when asked whether it is alive.
    public static let pingFailed = Self(value: .pingFailed)
    /// Another connection that was opened when it was, or later, was found dead.
    public static let invalidated = Self(value: .invalidated)
    /// The pool is closed.
    public static let poolClosed = Self(value: .poolClosed)

    /// The reason's name.
    public var description: String { self.value.rawValue }
}
