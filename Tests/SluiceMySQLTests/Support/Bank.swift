// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

/// Accounts whose total must never change, and a log of every transfer: what is right can be told from the tables alone.
struct Bank: Sendable {
    /// What tellers were told.
    struct Ledger: Sendable {
        var acknowledged: Set<Int> = []
        var unknown: Set<Int> = []
        var failed: [Int: String] = [:]
        var nextID = 0
        /// Transfers that went on after their outcome was said to be unknown.
        var repeatedUnknown = 0
        var isOver = false
    }

    static let accountCount = 20
    static let openingBalance = 1_000

    let database: Database
    let ledger = Locked(Ledger())
    private let acknowledgements: AsyncStream<Void>
    private let acknowledgement: AsyncStream<Void>.Continuation

    init(_ database: Database) async throws {
        self.database = database
        (self.acknowledgements, self.acknowledgement) = AsyncStream.makeStream()
        _ = try await database.execute("CREATE TABLE accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL)")
        // No key: a transfer that was carried out twice must be seen.
        _ = try await database.execute("CREATE TABLE log (transfer BIGINT NOT NULL)")
        _ = try await database.execute(
            "INSERT INTO accounts SELECT seq, \(Self.openingBalance) FROM seq_1_to_1000 WHERE seq <= \(Self.accountCount)"
        )
    }

    /// Waits until so many more transfers were acknowledged.
    func progress(_ count: Int) async {
        var left = count
        for await _ in self.acknowledgements {
            left -= 1
            if left == 0 { return }
        }
    }

    /// Runs tellers, each in a task of its own, until `body` returns.
    func open(tellers: Int, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<tellers { group.addTask { await self.work() } }
            let thrown = await failure { try await body() }
            self.ledger.withLock { $0.isOver = true }
            try await group.waitForAll()
            if let thrown { throw thrown }
        }
    }

    private func work() async {
        while true {
            let id = self.ledger.withLock { ledger -> Int? in
                if ledger.isOver { return nil }
                ledger.nextID += 1
                return ledger.nextID
            }
            guard let id else { return }
            await self.transfer(id)
        }
    }

    private func transfer(_ id: Int) async {
        let (from, to) = (Int.random(in: 1...Self.accountCount), Int.random(in: 1...Self.accountCount))
        let amount = Int.random(in: 1...50)
        do {
            try await self.database.withTransaction { transaction in
                if self.ledger.withLock({ $0.unknown.contains(id) }) {
                    self.ledger.withLock { $0.repeatedUnknown += 1 }
                }
                let balance: Int = try await transaction.scalar(
                    "SELECT balance FROM accounts WHERE id = \(from) FOR UPDATE")
                let moved = min(balance, amount)
                _ = try await transaction.execute("UPDATE accounts SET balance = balance - \(moved) WHERE id = \(from)")
                _ = try await transaction.execute("UPDATE accounts SET balance = balance + \(moved) WHERE id = \(to)")
                _ = try await transaction.execute("INSERT INTO log VALUES (\(id))")
            }
            self.ledger.withLock { _ = $0.acknowledged.insert(id) }
            self.acknowledgement.yield()
        } catch let error as SQLError where error.kind == .outcomeUnknown {
            self.ledger.withLock { _ = $0.unknown.insert(id) }
        } catch {
            self.ledger.withLock { $0.failed[id] = "\(error)" }
        }
    }

    /// Compares what the tables say with what the tellers were told.
    func audit() async throws {
        let total = try await self.database.scalar("SELECT CAST(sum(balance) AS INT) FROM accounts", as: Int.self)
        #expect(total == Self.accountCount * Self.openingBalance)
        let rows = try await self.database.rows("SELECT transfer, count(*) FROM log GROUP BY transfer")
        let logged = Dictionary(uniqueKeysWithValues: try rows.map { try $0.decode((Int, Int).self) })
        let ledger = self.ledger.withLock { $0 }
        #expect(ledger.acknowledged.subtracting(logged.keys) == [], "acknowledged and lost")
        #expect(logged.filter { $0.value > 1 } == [:], "carried out twice")
        #expect(Set(ledger.failed.keys).intersection(logged.keys) == [], "said to have failed, and carried out")
        #expect(ledger.repeatedUnknown == 0)
        #expect(ledger.failed == [:], "a loss before the commit is repeated, and never seen")
    }
}

/// The error that `body` throws.
func failure(_ body: () async throws -> Void) async -> (any Error)? {
    do {
        try await body()
        return nil
    } catch {
        return error
    }
}
