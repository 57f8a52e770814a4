// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Why a request brought no usable answer.
///
/// ```text
/// urlNotAllowed      the URL is malformed, or neither http nor https          never sent
/// addressNotAllowed  the host is, or redirects to, a private address          never sent there
/// unreachable        no connection could be made                              never sent
/// untrusted          the server's certificate is not to be trusted            never sent
/// poolExhausted      no connection was free in time                           never sent
/// connectionLost     the connection broke before the answer was complete      may have had an effect
/// readTimeout        the server fell silent                                   may have had an effect
/// writeTimeout       the request's body brought nothing more in time          may have had an effect
/// bodyFailed         the request's body failed, or is not as long as it said  may have had an effect
/// bodyNotReplayable  the request would have to be sent again, and cannot be   see the error before it
/// invalidResponse    what came is not an HTTP answer, or cannot be inflated   may have had an effect
/// status             the server answered with an error status                 answered
/// tooManyRedirects   the redirects did not end, or led from https to http     answered
/// bodyTooLarge       the body, a line or an event is larger than allowed      answered
/// undecodable        the body is not the value that was asked for             answered
/// ```
///
/// A call that a policy ended throws that policy's error instead: `RejectionError` or `TimeoutError`.
public struct APIClientError: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// What went wrong; a struct, so that a new kind breaks nobody's `switch`.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case urlNotAllowed, addressNotAllowed, unreachable, untrusted, poolExhausted, connectionLost, readTimeout
            case writeTimeout, bodyFailed, bodyNotReplayable, invalidResponse, status, tooManyRedirects, bodyTooLarge
            case undecodable
        }
        private let value: Value

        /// The URL is malformed, or neither http nor https.
        public static let urlNotAllowed = Self(value: .urlNotAllowed)
        /// The host is, or redirects to, an address that ``AddressRules`` forbid.
        public static let addressNotAllowed = Self(value: .addressNotAllowed)
        /// No connection could be made; the request was never sent.
        public static let unreachable = Self(value: .unreachable)
        /// The server's certificate has expired, is another host's, or is signed by nobody known; the request was never sent.
        public static let untrusted = Self(value: .untrusted)
        /// As many connections as may be were busy for too long; the request was never sent.
        public static let poolExhausted = Self(value: .poolExhausted)
        /// The connection broke before the answer was complete.
        public static let connectionLost = Self(value: .connectionLost)
        /// The server sent nothing for too long.
        public static let readTimeout = Self(value: .readTimeout)
        /// The request's body brought nothing more for too long, while the connection would have taken it.
        public static let writeTimeout = Self(value: .writeTimeout)
        /// The request's body threw an error, which is the cause, or has another length than it said.
        public static let bodyFailed = Self(value: .bodyFailed)
        /// The request would have to be sent again, and its body is a stream that exists once.
        public static let bodyNotReplayable = Self(value: .bodyNotReplayable)
        /// What came is not an HTTP answer, or its body cannot be inflated.
        public static let invalidResponse = Self(value: .invalidResponse)
        /// The server answered with an error status.
        public static let status = Self(value: .status)
        /// The redirects did not end, or led from https to http.
        public static let tooManyRedirects = Self(value: .tooManyRedirects)
        /// The body, a line or an event of it is larger than the caller allows.
        public static let bodyTooLarge = Self(value: .bodyTooLarge)
        /// The body is not the value that was asked for.
        public static let undecodable = Self(value: .undecodable)

        /// The kind's name.
        public var description: String { self.value.rawValue }
    }

    /// What went wrong.
    public let kind: Kind
    /// In words; names no credential and no body.
    public let message: String
    /// The status, if the server answered with one that is an error.
    public let status: Int?
    /// How long the server asked to be left alone, or, once our own retries have given up, how long to leave it alone.
    public internal(set) var retryAfter: Duration?
    /// How often it was tried.
    public internal(set) var attempts = 1
    /// The answer, if there was one that is an error; its body, cut at 64 KiB, may say more.
    ///
    /// Neither compared nor described.
    public internal(set) var reply: HTTPReply?
    /// What the network library reported; not compared.
    public let cause: (any Error)?
    /// Whether it is certain that the server saw nothing of the request.
    public internal(set) var wasNeverSent: Bool
    /// Whether a connection that had been used before ended without one byte of an answer: most probably the server had closed it
    /// before it saw the request.
    var isStaleConnection = false
    /// Whether no attempt can follow, whatever the kind says: the body is gone, or the call has had its attempts.
    var isFinal = false

    /// Creates an error.
    public init(
        _ kind: Kind, message: String, status: Int? = nil, retryAfter: Duration? = nil, cause: (any Error)? = nil
    ) {
        self.kind = kind
        self.message = message
        self.status = status
        self.retryAfter = retryAfter
        self.cause = cause
        self.wasNeverSent = Self.neverSent.contains(kind)
    }

    private static let neverSent: Set<Kind> = [
        .urlNotAllowed, .addressNotAllowed, .unreachable, .untrusted, .poolExhausted,
    ]

    /// The statuses that say "not now": RFC 9110 §15 and RFC 6585 §4.
    static let retriedStatuses: Set<Int> = [408, 425, 429, 500, 502, 503, 504]

    /// Connections and the statuses that say "not now" are worth another try; the rest would end the same way.
    public var retryAdvice: RetryAdvice {
        if self.isFinal { return .never }
        switch self.kind {
        case .unreachable, .poolExhausted: return .always(after: nil)
        case .connectionLost where self.wasNeverSent: return .always(after: nil)
        case .connectionLost, .readTimeout, .writeTimeout: return .ifIdempotent(after: nil)
        case .status where Self.retriedStatuses.contains(self.status ?? 0):
            return .ifIdempotent(after: self.retryAfter)
        default: return .never
        }
    }

    /// Whether it speaks against the server's health; a refusal, a missing page or our own limits do not.
    public var isServerFailure: Bool {
        switch self.kind {
        case .unreachable, .untrusted, .connectionLost, .readTimeout, .invalidResponse: true
        // 408, 425 and 429 are worth another try, but what they complain of is the client.
        case .status: (self.status ?? 0) >= 500 && Self.retriedStatuses.contains(self.status ?? 0)
        default: false
        }
    }

    /// One line, safe to log.
    public var description: String {
        "request \(self.kind): \(self.message)" + (self.attempts > 1 ? " (\(self.attempts) attempts)" : "")
    }

    /// Whether all but the causes and the answers are equal.
    public static func == (left: APIClientError, right: APIClientError) -> Bool {
        left.kind == right.kind && left.message == right.message && left.status == right.status
            && left.retryAfter == right.retryAfter && left.attempts == right.attempts
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.kind)
        hasher.combine(self.message)
        hasher.combine(self.status)
        hasher.combine(self.retryAfter)
        hasher.combine(self.attempts)
    }
}
