// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Why a connection could not be made, or can no longer be used.
///
/// ```text
/// urlNotAllowed      the URL is malformed, or neither ws nor wss             never sent
/// addressNotAllowed  the host has an address that must not be talked to      never sent
/// unreachable        no connection could be made, or TLS failed              never sent
/// timedOut           connection and handshake took too long                  unknown
/// refused            the server answered the handshake with another status   answered
/// invalidHandshake   the server's answer is not one to what was asked        answered
/// closed             it is closed, by either side; see `closure`             may have had an effect
/// protocolViolation  the peer broke the protocol; it was told so             may have had an effect
/// messageTooLarge    the peer sent more than the limits allow                may have had an effect
/// invalidPayload     a text was not UTF-8, or compressed data was damaged    may have had an effect
/// keepAliveTimedOut  the peer was silent after a ping                        may have had an effect
/// connectionLost     the connection ended without a close frame              may have had an effect
/// ```
public struct WebSocketError: Error, Sendable, CustomStringConvertible, RetryAdvising {
    /// What went wrong; a struct, so that a new kind breaks nobody's `switch`.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case urlNotAllowed, addressNotAllowed, unreachable, timedOut, refused, invalidHandshake, closed
            case protocolViolation, messageTooLarge, invalidPayload, keepAliveTimedOut, connectionLost
        }
        private let value: Value

        /// The URL is malformed, or neither ws nor wss.
        public static let urlNotAllowed = Self(value: .urlNotAllowed)
        /// The host has an address that must not be talked to.
        public static let addressNotAllowed = Self(value: .addressNotAllowed)
        /// No connection could be made, or TLS failed.
        public static let unreachable = Self(value: .unreachable)
        /// Connection and handshake took too long.
        public static let timedOut = Self(value: .timedOut)
        /// The server answered the handshake with another status than 101.
        public static let refused = Self(value: .refused)
        /// The server's answer is not one to what was asked.
        public static let invalidHandshake = Self(value: .invalidHandshake)
        /// It is closed, by either side.
        public static let closed = Self(value: .closed)
        /// The peer broke the protocol.
        public static let protocolViolation = Self(value: .protocolViolation)
        /// The peer sent more than the limits allow.
        public static let messageTooLarge = Self(value: .messageTooLarge)
        /// A text was not UTF-8, or compressed data was damaged.
        public static let invalidPayload = Self(value: .invalidPayload)
        /// The peer was silent after a ping.
        public static let keepAliveTimedOut = Self(value: .keepAliveTimedOut)
        /// The connection ended without a close frame.
        public static let connectionLost = Self(value: .connectionLost)

        /// The kind's name.
        public var description: String { self.value.rawValue }
    }

    /// What went wrong.
    public let kind: Kind
    /// In words; names no credential and nothing the peer sent.
    public let message: String
    /// The server's status, if it is `refused`.
    public let status: Int?
    /// How long the server asked to be left alone, if it did.
    public let retryAfter: Duration?
    /// How the connection ended, if it did.
    public let closure: WebSocketClosure?
    /// What the network library reported.
    public let cause: (any Error)?

    /// Creates an error.
    public init(
        _ kind: Kind, message: String, status: Int? = nil, retryAfter: Duration? = nil,
        closure: WebSocketClosure? = nil, cause: (any Error)? = nil
    ) {
        self.kind = kind
        self.message = message
        self.status = status
        self.retryAfter = retryAfter
        self.closure = closure
        self.cause = cause
    }

    init(_ failure: ProtocolFailure) {
        let kind: Kind =
            switch failure.code {
            case .messageTooBig: .messageTooLarge
            case .invalidPayload: .invalidPayload
            default: .protocolViolation
            }
        self.init(
            kind, message: failure.message, closure: WebSocketClosure(code: failure.code, isByPeer: false))
    }

    static func closed(_ closure: WebSocketClosure) -> WebSocketError {
        WebSocketError(.closed, message: "the connection was closed with \(closure)", closure: closure)
    }

    /// Whether it makes sense to connect again: yes if the network, a limit in time or an overloaded server was the reason.
    public var retryAdvice: RetryAdvice {
        switch self.kind {
        case .unreachable: .always(after: nil)
        case .timedOut, .connectionLost, .keepAliveTimedOut: .ifIdempotent(after: nil)
        case .refused:
            [408, 425, 429, 500, 502, 503, 504].contains(self.status ?? 0) ? .always(after: self.retryAfter) : .never
        case .closed:
            switch self.closure?.code {
            case .goingAway, .abnormal, .internalError, .serviceRestart, .tryAgainLater, .badGateway:
                .ifIdempotent(after: nil)
            default: .never
            }
        default: .never
        }
    }

    /// One line, safe to log.
    public var description: String { "WebSocket \(self.kind): \(self.message)" }
}
