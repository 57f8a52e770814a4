// SPDX-License-Identifier: Apache-2.0
public import SluiceSQL

/// What every database engine must do alike, as checks that run on any ``Database``.
///
/// ```swift
/// @Test("keeps the contract", arguments: SQLContract.checks(for: .all))
/// func contract(check: SQLContract.Check) async throws { try await check.run(on: database) }
/// ```
public enum SQLContract {
    /// What an engine can do that not all can.
    public struct Capabilities: OptionSet, Sendable, Hashable {
        /// The options, as bits.
        public let rawValue: Int
        /// States options.
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// A table made in a transaction that is rolled back is not there.
        public static let transactionalSchema = Self(rawValue: 1)
        /// Text may contain a null character.
        public static let nullCharacters = Self(rawValue: 2)
        /// `LIKE` tells upper from lower case.
        public static let exactCasePatterns = Self(rawValue: 4)

        /// What SQLite can do.
        public static let sqlite: Self = [.transactionalSchema, .nullCharacters]
        /// What PostgreSQL can do.
        public static let postgres: Self = [.transactionalSchema, .exactCasePatterns]
        /// What MySQL and MariaDB can do.
        public static let mysql: Self = [.nullCharacters]
    }

    /// One thing that must hold.
    public struct Check: Sendable, CustomStringConvertible {
        /// What must hold, as a sentence.
        public let name: String
        /// What the engine must be capable of for this to apply.
        public let needs: Capabilities
        let body: @Sendable (SQLContractScope) async throws -> Void

        init(
            _ name: String, needs: Capabilities = [],
            _ body: @escaping @Sendable (SQLContractScope) async throws -> Void
        ) {
            self.name = name
            self.needs = needs
            self.body = body
        }

        /// The name.
        public var description: String { self.name }

        /// Checks it on a database, in tables of its own, which it removes afterwards.
        ///
        /// - Throws: ``SQLContractFailure`` if it does not hold; whatever the database throws unexpectedly.
        public func run(on database: Database, _ capabilities: Capabilities) async throws {
            let scope = SQLContractScope(database, capabilities)
            do {
                try await SQLContractScope.$prefix.withValue(scope.prefix) { try await self.body(scope) }
            } catch {
                await scope.removeTables()
                throw error
            }
            await scope.removeTables()
        }
    }

    /// Every check.
    public static let checks: [Check] =
        Self.values + Self.conditions + Self.changes + Self.paging + Self.records + Self.transactions
        + Self.bulk + Self.streaming + Self.injection + Self.migrations + Self.introspection + Self.cache

    /// The checks that apply to an engine.
    public static func checks(for capabilities: Capabilities) -> [Check] {
        self.checks.filter { capabilities.isSuperset(of: $0.needs) }
    }
}

/// Something that the contract says and the engine does not do.
public struct SQLContractFailure: Error, CustomStringConvertible {
    /// What was expected, and what happened.
    public let description: String
}
