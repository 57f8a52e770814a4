// SPDX-License-Identifier: Apache-2.0

/// How a transaction is to be run.
public struct TransactionOptions: Sendable, Hashable {
    /// How much a transaction sees of those beside it.
    public enum Isolation: String, Sendable, Hashable, CaseIterable {
        /// Each statement sees what was committed before it.
        case readCommitted = "READ COMMITTED"
        /// Every statement sees what was committed before the first.
        case repeatableRead = "REPEATABLE READ"
        /// As if transactions ran one after the other; some fail for it, and are repeated.
        case serializable = "SERIALIZABLE"
    }

    /// Whether it may change something.
    public var access: SQLAccess
    /// How much it sees of others; nil leaves it to the engine.
    ///
    /// SQLite's transactions are always serializable.
    public var isolation: Isolation?
    /// The longest it may take, waits and repetitions included; nil for what the database was opened with.
    public var timeout: Duration?

    /// States options.
    public init(_ access: SQLAccess = .write, isolation: Isolation? = nil, timeout: Duration? = nil) {
        self.access = access
        self.isolation = isolation
        self.timeout = timeout
    }

    /// May change something, with the engine's own isolation.
    public static let write = TransactionOptions(.write)
    /// Changes nothing.
    public static let read = TransactionOptions(.read)
    /// May change something, as if it ran alone.
    public static let serializable = TransactionOptions(.write, isolation: .serializable)
}
