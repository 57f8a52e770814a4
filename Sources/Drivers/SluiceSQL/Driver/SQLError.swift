// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// What went wrong between us and a database; never contains a bound value.
public struct SQLError: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// What kind of thing went wrong; a struct, so that a new kind breaks nobody's `switch`.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case configuration, connection, authentication, busy, serialization, constraint, statement, permission
            case timeout, storage, decoding, migration, outcomeUnknown, missing, pool, conflict
        }
        private let value: Value

        /// The URL names no database that can be opened.
        public static let configuration = Self(value: .configuration)
        /// The database cannot be reached or opened, was closed, or the connection was lost.
        public static let connection = Self(value: .connection)
        /// The database does not let this user in, or there is no such database: waiting does not help.
        public static let authentication = Self(value: .authentication)
        /// Another holds the lock that was needed; nothing was done.
        public static let busy = Self(value: .busy)
        /// The transaction could not be put in order with others, or was the victim of a deadlock; nothing of it was done, and
        /// it is worth repeating whole.
        public static let serialization = Self(value: .serialization)
        /// A unique, foreign-key, not-null or check constraint forbids it.
        public static let constraint = Self(value: .constraint)
        /// The statement is wrong, or does not fit the schema.
        public static let statement = Self(value: .statement)
        /// The user may not do this.
        public static let permission = Self(value: .permission)
        /// The statement ran longer than it may and was stopped.
        public static let timeout = Self(value: .timeout)
        /// The disk is full, failing or read-only, or the file is damaged.
        public static let storage = Self(value: .storage)
        /// A row does not hold what it was asked for.
        public static let decoding = Self(value: .decoding)
        /// The schema is not the one this program's migrations lead to.
        public static let migration = Self(value: .migration)
        /// The connection was lost while the transaction was committed: it may or may not have taken effect.
        public static let outcomeUnknown = Self(value: .outcomeUnknown)
        /// There is no such row.
        public static let missing = Self(value: .missing)
        /// No connection was to be had in time, or too many wait for one already; nothing was done.
        public static let pool = Self(value: .pool)
        /// The row was changed by another since it was read; reading it again shows how.
        public static let conflict = Self(value: .conflict)

        /// The kind's name.
        public var description: String { self.value.rawValue }
    }

    /// What kind of thing went wrong.
    public let kind: Kind
    /// The engine's own words, or ours.
    public let message: String
    /// The engine's error number, if it was the engine that failed; for SQLite the extended result code.
    public let engineCode: Int?
    /// The five characters by which the standard and the engine name the error.
    public var sqlState: String?
    /// The constraint that forbids it, where the engine says so.
    public var constraint: String?
    /// Whether the statement began: false if it certainly did not, nil if that is unknown.
    public var hasRun: Bool?
    /// Whether what failed cannot be begun again, since it was reading something that is read once.
    var isFinal = false

    /// Creates an error.
    public init(
        _ kind: Kind, message: String, engineCode: Int? = nil, sqlState: String? = nil, constraint: String? = nil,
        hasRun: Bool? = nil
    ) {
        self.kind = kind
        self.message = message
        self.engineCode = engineCode
        self.sqlState = sqlState
        self.constraint = constraint
        self.hasRun = hasRun
    }

    /// What did nothing, because of somebody's lock or because it never began, is worth another try; what a lost connection left
    /// open only if it is idempotent.
    public var retryAdvice: RetryAdvice {
        if self.isFinal { return .never }
        return switch self.kind {
        case .busy, .serialization: .always(after: nil)
        case .connection: self.hasRun == false ? .always(after: nil) : .ifIdempotent(after: nil)
        default: .never
        }
    }

    /// Runs `body` so that its error is the last word, if `hasBegun` says so by then.
    static func final<Value>(once hasBegun: () -> Bool, _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch var error as SQLError {
            if hasBegun() { error.isFinal = true }
            throw error
        }
    }

    /// The error without the bound values that the server, or code in the schema, may have put into its message.
    package func without(_ values: [SQLValue]) -> SQLError {
        var message = self.message
        for case .text(let text) in values where !text.isEmpty {
            // A short one is a part of many words.
            let quoted = text.utf8.count < 4 ? "\"\(text)\"" : text
            message = message.replacing(quoted, with: "…")
        }
        guard message != self.message else { return self }
        return SQLError(
            self.kind, message: message, engineCode: self.engineCode, sqlState: self.sqlState,
            constraint: self.constraint, hasRun: self.hasRun)
    }

    /// One line, safe to log.
    public var description: String {
        let codes = [self.engineCode.map { "code \($0)" }, self.sqlState, self.constraint.map { "constraint \($0)" }]
        let known = codes.compactMap(\.self)
        return "database \(self.kind): \(self.message)" + (known.isEmpty ? "" : " (\(known.joined(separator: ", ")))")
    }
}

extension SQLError: DeadlineReporting {
    /// Whether the statement was stopped, as at a deadline; an administrator's doing, or a limit of the server's own, looks alike.
    package var isAtDeadline: Bool { self.kind == .timeout }
}
