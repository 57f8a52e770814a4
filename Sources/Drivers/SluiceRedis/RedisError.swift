// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Why a command has no answer; never contains an argument or a password.
///
/// ```text
/// configuration      the URL cannot be used, or names a database that is not there   never sent
/// notShareable       the command would change the connection for everybody           never sent
/// unreachable        no connection could be made                                     never sent
/// authentication     the server does not let this user in                            never sent
/// unsupported        the server does not speak RESP3                                 never sent
/// overloaded         too many commands wait already                                  never sent
/// closed             the client was closed                                           never sent
/// timedOut           no answer came in time                                          see `hasRun`
/// connectionLost     the connection ended before the answer                          unknown
/// protocolViolation  what came is no answer, or larger than the limits allow         unknown
/// server             the server answered with an error; see `code`                   see `hasRun`
/// unexpectedAnswer   the answer is of another type than the command's                has run
/// ```
public struct RedisError: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// What went wrong; a struct, so that a new kind breaks nobody's `switch`.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case configuration, notShareable, unreachable, authentication, unsupported, overloaded, closed
            case timedOut, connectionLost, protocolViolation, server, unexpectedAnswer
        }
        private let value: Value

        /// The URL cannot be used, or names a database that is not there.
        public static let configuration = Self(value: .configuration)
        /// The command would block the connection, or change it for everybody who shares it.
        public static let notShareable = Self(value: .notShareable)
        /// No connection could be made.
        public static let unreachable = Self(value: .unreachable)
        /// The server does not let this user in.
        public static let authentication = Self(value: .authentication)
        /// The server does not speak RESP3, so it is older than Redis 6.
        public static let unsupported = Self(value: .unsupported)
        /// Too many commands wait already.
        public static let overloaded = Self(value: .overloaded)
        /// The client was closed.
        public static let closed = Self(value: .closed)
        /// No answer came in time.
        public static let timedOut = Self(value: .timedOut)
        /// The connection ended before the answer came.
        public static let connectionLost = Self(value: .connectionLost)
        /// What came is no answer, or larger than the limits allow.
        public static let protocolViolation = Self(value: .protocolViolation)
        /// The server answered with an error.
        public static let server = Self(value: .server)
        /// The answer is of another type than the command's.
        public static let unexpectedAnswer = Self(value: .unexpectedAnswer)

        /// The kind's name.
        public var description: String { self.value.rawValue }
    }

    /// What went wrong.
    public let kind: Kind
    /// In words, the server's or ours.
    public let message: String
    /// The word that the server's error begins with, such as `WRONGTYPE`, if it was the server that failed.
    public let code: String?
    /// Whether the command has run: true if the server has answered it, false if it certainly has not, nil if that is unknown.
    public internal(set) var hasRun: Bool?
    /// The soonest that trying again makes sense, if known.
    public internal(set) var retryAfter: Duration?

    /// Creates an error.
    public init(
        _ kind: Kind, message: String, code: String? = nil, hasRun: Bool? = nil, retryAfter: Duration? = nil
    ) {
        self.kind = kind
        self.message = message
        self.code = code
        self.hasRun = hasRun
        self.retryAfter = retryAfter
    }

    /// What certainly had no effect is worth another try if the reason passes by itself; what may have had one, only if it is
    /// idempotent.
    public var retryAdvice: RetryAdvice {
        switch self.kind {
        case .unreachable, .overloaded: return .always(after: self.retryAfter)
        case .timedOut, .connectionLost:
            return self.hasRun == false ? .always(after: self.retryAfter) : .ifIdempotent(after: self.retryAfter)
        case .server:
            guard let code = self.code, Self.passing.contains(code) else { return .never }
            return self.hasRun == false ? .always(after: nil) : .ifIdempotent(after: nil)
        default: return .never
        }
    }

    /// One line, safe to log.
    public var description: String { "Redis \(self.kind): \(self.message)" }
}

extension RedisError {
    /// What a server says before it looks at the command's effect, and what passes by itself.
    private static let passing: Set<String> = ["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"]
    /// What else a server says before it runs a command.
    private static let refusals: Set<String> = [
        "NOAUTH", "NOPERM", "NOSCRIPT", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "MOVED", "ASK",
    ]
    /// The longest message that is kept.
    private static let maximumMessage = 300

    /// What a server's error says.
    ///
    /// Of an unknown command the server repeats the arguments, which may be secrets, so that part is cut off.
    init(reply: String) {
        let shown = reply.firstRange(of: ", with args beginning with").map { reply[..<$0.lowerBound] } ?? reply[...]
        let line = shown.prefix(Self.maximumMessage).map { $0.isNewline ? " " : $0 }
        let word = shown.prefix { $0 != " " }
        let isCode = !word.isEmpty && word.utf8.allSatisfy { (0x41...0x5A).contains($0) }
        self.init(.server, message: String(line), code: isCode ? String(word) : nil, hasRun: true)
    }

    /// The error as one command's answer.
    ///
    /// - Parameter isScript: A script may have written before it failed, and may say what it likes.
    func answering(isScript: Bool) -> RedisError {
        guard let code = self.code, !isScript || code == "NOSCRIPT" else { return self }
        var error = self
        if Self.passing.contains(code) || Self.refusals.contains(code) { error.hasRun = false }
        return error
    }

    /// The error as the answer to the commands that open a connection.
    var inHandshake: RedisError {
        let kind: Kind =
            switch self.code {
            case "NOAUTH", "WRONGPASS", "NOPERM": .authentication
            case "NOPROTO": .unsupported
            default:
                if self.message.contains("unknown command") {
                    .unsupported
                } else if self.message.contains("DB index") {
                    .configuration
                } else {
                    .unreachable
                }
            }
        return RedisError(kind, message: self.message, code: self.code, hasRun: false)
    }

    static let clientClosed = RedisError(.closed, message: "the client is closed", hasRun: false)

    static func unexpected(_ answer: RedisValue, to command: String) -> RedisError {
        RedisError(.unexpectedAnswer, message: "\(command) was answered with \(answer.kindName)", hasRun: true)
    }
}
