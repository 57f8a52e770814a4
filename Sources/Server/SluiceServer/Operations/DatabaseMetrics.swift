// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import SluiceSQL

/// What the database's connections do, as gauges that are brought up to date when they are asked for.
struct DatabaseMetrics: Sendable {
    private let database: Database
    private let states: [(meter: Meter, count: @Sendable (PoolStatus) -> Int)]
    private let waiting: Meter

    init(_ database: Database, factory: any MetricsFactory) {
        func meter(_ state: String) -> Meter {
            Meter(label: "sluice_sql_connections", dimensions: [("state", state)], factory: factory)
        }
        self.database = database
        self.states = [
            (meter("idle"), \.idle), (meter("lent"), \.lent), (meter("connecting"), \.connecting),
            (meter("closing"), \.closing),
        ]
        self.waiting = Meter(label: "sluice_sql_waiting", dimensions: [], factory: factory)
    }

    func update() {
        let status = self.database.poolStatus
        for (meter, count) in self.states { meter.set(count(status)) }
        self.waiting.set(status.waiting)
    }
}
