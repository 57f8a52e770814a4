// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What is not true any more, of all that was read before.
public struct CacheInvalidation: Sendable, Hashable, Codable {
    /// Tables whose rows have changed, in lower case and without their schema.
    public private(set) var tables: Set<String>
    /// Tags under which answers were kept.
    public private(set) var tags: Set<String>
    /// Keys under which answers were kept.
    public private(set) var keys: Set<String>
    /// Whether anything may have changed.
    public private(set) var isEverything: Bool

    /// States what has changed.
    public init(tables: Set<String> = [], tags: Set<String> = [], keys: Set<String> = []) {
        self.tables = Set(tables.map(Self.name))
        self.tags = tags
        self.keys = keys
        self.isEverything = false
    }

    /// Anything may have changed.
    public static var everything: CacheInvalidation {
        var all = CacheInvalidation()
        all.isEverything = true
        return all
    }

    /// Whether nothing has changed.
    public var isEmpty: Bool {
        !self.isEverything && self.tables.isEmpty && self.tags.isEmpty && self.keys.isEmpty
    }

    /// Adds what another says.
    public mutating func formUnion(_ other: CacheInvalidation) {
        self.tables.formUnion(other.tables)
        self.tags.formUnion(other.tags)
        self.keys.formUnion(other.keys)
        self.isEverything = self.isEverything || other.isEverything
    }

    /// A table's name as it is compared: engines differ in whether case matters, and a name too many costs one load.
    static func name(_ table: String) -> String {
        (table.split(separator: ".").last.map(String.init) ?? table).lowercased()
    }
}

/// Carries invalidations between the processes that use one database.
///
/// A notification of the database's own, or a message queue beside it.
public protocol CacheInvalidationChannel: Sendable {
    /// Tells all others; tries again by itself if it must, since the change is committed and cannot be taken back.
    func publish(_ invalidation: CacheInvalidation) async

    /// Hands over what others publish, until the task is cancelled.
    ///
    /// - Parameter receive: To be called with ``CacheInvalidation/everything`` whenever something may have been missed: at the
    ///   beginning and after every interruption.
    func subscribe(_ receive: @escaping @Sendable (CacheInvalidation) -> Void) async throws
}
