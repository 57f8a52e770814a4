// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSQL

extension SQLContract {
    struct Member: SQLRecord, Equatable {
        enum Role: String, Codable { case player, coach }
        struct Address: Codable, Equatable {
            var street: String
            var tags: [String]
        }

        static var table: String { SQLContractScope.prefix + "members" }
        static var version: String? { "version" }
        var id: Int64?
        var name: String
        var role: Role
        var address: Address?
        var token: UUID
        var balance: Decimal
        var active: Bool
        var joined: Date?
        var photo: Data
        var version: Int = 1
    }

    private static func members(_ scope: SQLContractScope) async throws -> SQLRepository<Member> {
        try await scope.makeTable(
            "members",
            [
                "id": .key, "name": .text, "role": .text, "address": .text, "token": .text, "balance": .text,
                "active": .integer, "joined": .timestamp, "photo": .blob, "version": .integer,
            ])
        return SQLRepository(scope.database)
    }

    private static func member(_ name: String) -> Member {
        Member(
            name: name, role: .coach, address: .init(street: "Long Street 1", tags: ["a", "b"]), token: UUID(),
            balance: Decimal(string: "12345678901234567890.05") ?? 0, active: true,
            joined: Date(timeIntervalSince1970: 1_795_000_000), photo: Data([0, 1, 255]))
    }

    static let records: [Check] = [
        Check("a record comes back as it was stored") { scope in
            let repository = try await Self.members(scope)
            var ada = Self.member("Ada")
            let stored = try await repository.create(ada)
            ada.id = 1
            try scope.expectEqual(stored, ada, "the stored record")
            try scope.expectEqual(try await repository.get(1), ada, "the record that is read")
            var bob = Self.member("Bob")
            (bob.address, bob.joined, bob.active) = (nil, nil, false)
            try scope.expectEqual(try await repository.create([bob, Self.member("Cyd")]), 2, "records created")
            bob.id = 2
            try scope.expectEqual(try await repository.find(2), bob, "a record with nulls")
            try scope.expectEqual(try await repository.findAll().map(\.name), ["Ada", "Bob", "Cyd"], "all records")
            try scope.expectEqual(try await repository.count(where: ["active": true]), 2, "active records")
            let page = try await repository.page(order: [.descending("name")], limit: 2)
            try scope.expectEqual(page.rows.map(\.name), ["Cyd", "Bob"], "a page of records")
            let rest = try await repository.page(order: [.descending("name")], after: page.next, limit: 2)
            try scope.expectEqual(rest.rows.map(\.name), ["Ada"], "the next page")
        },
        Check("a record is changed and deleted, and its absence is an error") { scope in
            let repository = try await Self.members(scope)
            var ada = try await repository.create(Self.member("Ada"))
            ada.name = "Ada L."
            let changed = try await repository.update(ada)
            try scope.expectEqual(changed.name, "Ada L.", "the changed name")
            try scope.expectEqual(changed.version, 2, "the version after a change")
            try scope.expectEqual(try await repository.save(changed).version, 3, "the version after it was stored over")
            try scope.expect(try await repository.exists(1), "the record is there")
            try await repository.delete(1)
            try scope.expect(try await !repository.exists(1), "the record is gone")
            try await scope.expectError(.missing, "an update of a record that is gone") {
                try await repository.update(changed)
            }
            try await scope.expectError(.missing, "a delete of a record that is gone") {
                try await repository.delete(1)
            }
            try await scope.expectError(.missing, "a record that is gone") { _ = try await repository.get(1) }
        },
        Check("of two who changed the same version, the second is told so") { scope in
            let repository = try await Self.members(scope)
            var first = try await repository.create(Self.member("Ada"))
            var second = first
            first.name = "first"
            second.name = "second"
            try await repository.update(first)
            try await scope.expectError(.conflict, "an update of a stale version") {
                try await repository.update(second)
            }
            try await scope.expectError(.conflict, "a delete of a stale version") {
                try await repository.delete(second)
            }
            try scope.expectEqual(try await repository.get(1).name, "first", "the name after a refused change")
        },
        Check("of many who change a record at once, no change is lost") { scope in
            let repository = try await Self.members(scope)
            try await repository.create(Self.member("0"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await Self.count(up: repository, times: 5) }
                }
                try await group.waitForAll()
            }
            try scope.expectEqual(try await repository.get(1).name, "40", "what they counted together")
        },
    ]

    private static func count(up repository: SQLRepository<Member>, times: Int) async throws {
        var left = times
        while left > 0 {
            var member = try await repository.get(1)
            member.name = "\((Int(member.name) ?? 0) + 1)"
            do {
                try await repository.update(member)
                left -= 1
            } catch let error as SQLError where error.kind == .conflict {
                continue
            }
        }
    }
}
