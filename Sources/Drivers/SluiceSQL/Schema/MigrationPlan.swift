// SPDX-License-Identifier: Apache-2.0

/// What the program's migrations and those in the database come to: the rules alone.
struct MigrationPlan {
    /// What the checksum of a migration begins with while it runs on an engine that cannot undo half of it.
    static let mark = "dirty "

    let app: String
    let migrations: [Migration]
    /// Checksums by name.
    let applied: [String: String]

    /// Every migration in the program's order, then those it does not know.
    var statuses: [MigrationStatus] {
        let known = self.migrations.map { migration in
            MigrationStatus(id: migration.id, state: self.state(migration), canRevert: migration.down != nil)
        }
        let unknown = Set(self.applied.keys).subtracting(self.migrations.map(\.id)).sorted()
        return known + unknown.map { MigrationStatus(id: $0, state: .unknown, canRevert: false) }
    }

    private func state(_ migration: Migration) -> MigrationStatus.State {
        guard let checksum = self.applied[migration.id] else { return .pending }
        if checksum.hasPrefix(Self.mark) { return .interrupted }
        return checksum == migration.checksum ? .applied : .changed
    }

    /// The migrations that are to be applied, in order.
    func pending() throws(SQLError) -> [Migration] {
        try self.check()
        let firstPending = self.migrations.firstIndex { self.applied[$0.id] == nil } ?? self.migrations.endIndex
        let pending = self.migrations[firstPending...]
        if let late = pending.first(where: { self.applied[$0.id] != nil }) {
            throw self.error(
                "\(pending[firstPending].id) comes before \(late.id), which has been applied; put it at the end")
        }
        return Array(pending)
    }

    /// The migrations that were applied last, the last first, with what undoes them.
    func last(_ count: Int) throws(SQLError) -> [(migration: Migration, down: [SQLQuery])] {
        try self.check()
        var last: [(Migration, [SQLQuery])] = []
        for migration in self.migrations.reversed() where self.applied[migration.id] != nil {
            guard last.count < count else { break }
            guard let down = migration.down else {
                throw self.error("\(migration.id) does not say how it is undone")
            }
            last.append((migration, down))
        }
        return last
    }

    private func check() throws(SQLError) {
        let ids = self.migrations.map(\.id)
        guard Set(ids).count == ids.count else { throw self.error("two migrations have the same name") }
        for status in self.statuses {
            switch status.state {
            case .applied, .pending: continue
            case .changed: throw self.error("\(status.id) was changed after it had been applied; add another")
            case .unknown:
                throw self.error("\(status.id) is in the database and not in this program; update it")
            case .interrupted:
                throw self.error(
                    "\(status.id) stopped in the middle; put the schema right by hand, then say what has become of it: sluice migrate resolve"
                )
            }
        }
    }

    private func error(_ message: String) -> SQLError { SQLError(.migration, message: "\(self.app) \(message)") }
}
