// SPDX-License-Identifier: Apache-2.0

/// One step of a schema, applied once and never changed afterwards.
public struct Migration: Sendable, Hashable {
    /// Its name, unique within its app and never reused, for example `001-seasons`.
    public let id: String
    /// What it does, in order.
    public let up: [SQLQuery]
    /// What undoes it, in order; nil if nothing can.
    public let down: [SQLQuery]?

    /// Creates a migration.
    ///
    /// - Parameters:
    ///   - id: Its name, at most 190 characters.
    ///   - up: What it does, in order.
    ///   - down: What undoes it, in order; nil if nothing can, and empty if nothing needs to.
    public init(_ id: String, _ up: [SQLQuery], down: [SQLQuery]? = nil) {
        self.id = id
        self.up = up
        self.down = down
    }

    /// Tells whether the text of an applied migration was changed later; what undoes it may be.
    public var checksum: String {
        Fingerprint.hexadecimal(self.up.map(\.text).joined(separator: ";"))
    }
}

/// How far one migration has got.
public struct MigrationStatus: Sendable, Hashable, Codable {
    /// Where it stands.
    public enum State: String, Sendable, Hashable, Codable {
        /// It is in the database.
        case applied
        /// It is yet to be applied.
        case pending
        /// It was changed after it had been applied.
        case changed
        /// It is in the database and not in this program.
        case unknown
        /// It stopped in the middle, on an engine that cannot undo half a migration; see ``Database/resolveMigration(_:_:isApplied:)``.
        case interrupted
    }

    /// The migration's name.
    public let id: String
    /// Where it stands.
    public let state: State
    /// Whether it says how it is undone.
    public let canRevert: Bool
}
