// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// What went wrong between us and a database; never contains a bound value.
public struct SQLError: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// What kind of thing went wrong; a struct, so that a new kind breaks nobody's `switch`.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case configuration, connection, busy, constraint, statement, storage, decoding, migration
        }
        private let value: Value

        /// The URL names no database that can be opened.
        public static let configuration = Self(value: .configuration)
        /// The database cannot be reached or opened, or was closed.
        public static let connection = Self(value: .connection)
        /// Another process holds the lock that was needed; nothing was done.
        public static let busy = Self(value: .busy)
        /// A unique, foreign-key, not-null or check constraint forbids it.
        public static let constraint = Self(value: .constraint)
        /// The statement is wrong, or does not fit the schema.
        public static let statement = Self(value: .statement)
        /// The disk is full, failing or read-only, or the file is damaged.
        public static let storage = Self(value: .storage)
        /// A row does not hold what it was asked for.
        public static let decoding = Self(value: .decoding)
        /// The schema is not the one this program's migrations lead to.
        public static let migration = Self(value: .migration)

        /// The kind's name.
        public var description: String { self.value.rawValue }
    }

    /// What kind of thing went wrong.
    public let kind: Kind
    /// The engine's own words, or ours.
    public let message: String
    /// The engine's error number, if it was the engine that failed; for SQLite the extended result code.
    public let engineCode: Int?

    /// Creates an error.
    public init(_ kind: Kind, message: String, engineCode: Int? = nil) {
        self.kind = kind
        self.message = message
        self.engineCode = engineCode
    }

    /// Only what did nothing because of somebody's lock is worth another try.
    public var retryAdvice: RetryAdvice {
        self.kind == .busy ? .always(after: nil) : .never
    }

    /// One line, safe to log.
    public var description: String {
        "database \(self.kind): \(self.message)" + (self.engineCode.map { " (code \($0))" } ?? "")
    }
}
