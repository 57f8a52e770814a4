// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Why a request brought no usable answer.
///
/// ```text
/// urlNotAllowed      the URL is malformed, or neither http nor https          never sent
/// addressNotAllowed  the host is, or redirects to, a private address          never sent there
/// unreachable        no connection could be made                              never sent
/// connectionLost     the connection broke before the answer was complete      may have had an effect
/// status             the server answered with an error status                 answered
/// tooManyRedirects   the redirects did not end, or led from https to http     answered
/// bodyTooLarge       the body is larger than the caller allows                answered
/// invalidResponse    what came is not an HTTP answer                          may have had an effect
/// bodyNotReplayable  the request would have to be sent again, and its body    see the error before it
///                    exists once
/// ```
///
/// A call that a policy ended throws that policy's error instead: `RejectionError` or `TimeoutError`.
public struct APIClientError: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// What went wrong; a struct, so that a new kind breaks nobody's `switch`.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case urlNotAllowed, addressNotAllowed, unreachable, connectionLost, status, tooManyRedirects, bodyTooLarge
            case invalidResponse, bodyNotReplayable
        }
        private let value: Value

        /// The URL is malformed, or neither http nor https.
        public static let urlNotAllowed = Self(value: .urlNotAllowed)
        /// The host is, or redirects to, an address that ``AddressRules`` forbid.
        public static let addressNotAllowed = Self(value: .addressNotAllowed)
        /// No connection could be made; the request was never sent.
        public static let unreachable = Self(value: .unreachable)
        /// The connection broke before the answer was complete.
        public static let connectionLost = Self(value: .connectionLost)
        /// The server answered with an error status.
        public static let status = Self(value: .status)
        /// The redirects did not end, or led from https to http.
        public static let tooManyRedirects = Self(value: .tooManyRedirects)
        /// The body is larger than the caller allows.
        public static let bodyTooLarge = Self(value: .bodyTooLarge)
        /// What came is not an HTTP answer.
        public static let invalidResponse = Self(value: .invalidResponse)
        /// The request would have to be sent again, and its body is a stream that exists once.
        public static let bodyNotReplayable = Self(value: .bodyNotReplayable)

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
    /// What the network library reported; not compared.
    public let cause: (any Error)?

    /// Creates an error.
    public init(
        _ kind: Kind, message: String, status: Int? = nil, retryAfter: Duration? = nil, cause: (any Error)? = nil
    ) {
        self.kind = kind
        self.message = message
        self.status = status
        self.retryAfter = retryAfter
        self.cause = cause
    }

    /// The statuses that say "not now": RFC 9110 §15 and RFC 6585 §4.
    static let retriedStatuses: Set<Int> = [408, 425, 429, 500, 502, 503, 504]

    /// Connections and the statuses that say "not now" are worth another try; the rest would end the same way.
    public var retryAdvice: RetryAdvice {
        switch self.kind {
        case .unreachable: .always(after: nil)
        case .connectionLost: .ifIdempotent(after: nil)
        case .status where Self.retriedStatuses.contains(self.status ?? 0): .ifIdempotent(after: self.retryAfter)
        default: .never
        }
    }

    /// Whether it speaks against the server's health; a refusal or a missing page does not.
    public var isServerFailure: Bool {
        switch self.kind {
        case .unreachable, .connectionLost, .invalidResponse: true
        case .status: Self.retriedStatuses.contains(self.status ?? 0)
        default: false
        }
    }

    /// One line, safe to log.
    public var description: String {
        "request \(self.kind): \(self.message)" + (self.attempts > 1 ? " (\(self.attempts) attempts)" : "")
    }

    /// Whether all but the causes are equal.
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
