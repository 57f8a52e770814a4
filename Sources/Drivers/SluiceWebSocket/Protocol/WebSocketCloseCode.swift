// SPDX-License-Identifier: Apache-2.0

/// Why a connection was closed.
///
/// - Source: RFC 6455 §7.4 and the IANA WebSocket Close Code Number Registry, as of 2025.
public struct WebSocketCloseCode: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The number.
    public let rawValue: UInt16

    /// A code by its number; whether it may be sent says ``isSendable``.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1000: all is done.
    public static let normal = Self(rawValue: 1_000)
    /// 1001: the server stops or the page is left.
    public static let goingAway = Self(rawValue: 1_001)
    /// 1002: the peer broke the protocol.
    public static let protocolError = Self(rawValue: 1_002)
    /// 1003: the peer sent a kind of data that is not understood.
    public static let unsupportedData = Self(rawValue: 1_003)
    /// 1005: the peer's close frame had no code; never sent.
    public static let noStatus = Self(rawValue: 1_005)
    /// 1006: the connection ended without a close frame; never sent.
    public static let abnormal = Self(rawValue: 1_006)
    /// 1007: a text was not UTF-8, or compressed data was damaged.
    public static let invalidPayload = Self(rawValue: 1_007)
    /// 1008: a message breaks a rule that has no code of its own.
    public static let policyViolation = Self(rawValue: 1_008)
    /// 1009: a message was too large.
    public static let messageTooBig = Self(rawValue: 1_009)
    /// 1010: the server did not agree to an extension that the client needs.
    public static let missingExtension = Self(rawValue: 1_010)
    /// 1011: something unexpected happened on the server.
    public static let internalError = Self(rawValue: 1_011)
    /// 1012: the server restarts.
    public static let serviceRestart = Self(rawValue: 1_012)
    /// 1013: the server is overloaded; try again later.
    public static let tryAgainLater = Self(rawValue: 1_013)
    /// 1014: a gateway got an invalid answer.
    public static let badGateway = Self(rawValue: 1_014)
    /// 1015: the TLS handshake failed; never sent.
    public static let tlsFailure = Self(rawValue: 1_015)

    /// Whether it may stand in a close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    public var isSendable: Bool {
        switch self.rawValue {
        case 1_000...1_003, 1_007...1_014, 3_000...4_999: true
        default: false
        }
    }

    /// Whether nothing went wrong: 1000, 1001 or no code.
    public var isOrderly: Bool { self == .normal || self == .goingAway || self == .noStatus }

    /// The number as text.
    public var description: String { "\(self.rawValue)" }
}

/// How a connection ended.
public struct WebSocketClosure: Sendable, Hashable, CustomStringConvertible {
    /// Why; 1005 if the close frame had no code, 1006 if there was no close frame.
    public let code: WebSocketCloseCode
    /// In the words of whoever closed, at most 123 bytes; foreign text.
    public let reason: String
    /// Whether the peer sent its close frame before we sent ours.
    public let isByPeer: Bool

    /// Creates a closure.
    public init(code: WebSocketCloseCode, reason: String = "", isByPeer: Bool) {
        self.code = code
        self.reason = reason
        self.isByPeer = isByPeer
    }

    /// The code and who closed, without the foreign text.
    public var description: String { "\(self.code) by \(self.isByPeer ? "the peer" : "us")" }
}
