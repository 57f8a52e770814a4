// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL

extension Bench {
    /// The 100,000 rows of the table, as values.
    private var rows: [[SQLValue]] {
        (1...100_000).map { (id: Int64) in
            let moment = 1_704_067_200_000_000 + id * 1_000_001
            let created: SQLValue = self.database.dialect == .sqlite ? .integer(moment) : .timestamp(moment)
            return [
                .integer(id), .text("user name \(id)"), .text("user\(id)@example.com"), .integer(18 + id % 60),
                .real(Double(id) * 0.5), .integer(id % 2 == 0 ? 1 : 0), created,
            ]
        }
    }

    func bulkInsert() async throws {
        let rows = self.rows
        let (start, used) = (ContinuousClock.now, cpuSeconds())
        let count = try await self.database.bulkInsert(
            into: "inserted", columns: ["id", "name", "email", "age", "score", "active", "created_at"], rows)
        let (elapsed, spent) = ((ContinuousClock.now - start) / .seconds(1), cpuSeconds() - used)
        precondition(count == rows.count)
        print(Self.line(count, elapsed, spent))
    }

    /// How long tasks wait for one of the pool's connections, beside a queue that takes no time.
    func acquire() async throws {
        let start = ContinuousClock.now
        let seconds = self.seconds
        let waits = try await withThrowingTaskGroup(of: (waits: [Double], held: Double).self) { group in
            for _ in 0..<self.tasks {
                group.addTask {
                    var (waits, held) = ([Double](), 0.0)
                    while (ContinuousClock.now - start) / .seconds(1) < seconds + 0.3 {
                        let asked = ContinuousClock.now
                        let (got, released) = try await self.database.driver.withConnection(.read) { _ in
                            let got = ContinuousClock.now
                            try await SystemTime.shared.sleep(
                                until: SystemTime.shared.now.advanced(by: .milliseconds(1)))
                            return (got, ContinuousClock.now)
                        }
                        // What begins at once, all tasks together, is no steady state.
                        guard (asked - start) / .seconds(1) > 0.3 else { continue }
                        waits.append((got - asked) / .seconds(1))
                        held += (released - got) / .seconds(1)
                    }
                    return (waits, held)
                }
            }
            return try await group.reduce(into: (waits: [Double](), held: 0.0)) {
                $0.waits += $1.waits
                $0.held += $1.held
            }
        }
        let sorted = waits.waits.sorted()
        let ideal = (Double(self.tasks) / Double(self.connections) - 1) * waits.held / Double(sorted.count)
        print(#"{"p99": \#(sorted[sorted.count * 99 / 100]), "ideal": \#(ideal)}"#)
    }
}
