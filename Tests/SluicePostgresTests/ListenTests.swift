// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Notifications")
    struct ListenTests {
        @Test("come in order, from every channel listened to and from no other")
        func order() async throws {
            try await withPostgres { database in
                let driver = try #require(database.postgres)
                let (first, second) = (uniqueName("first"), uniqueName("second"))
                let got = try await driver.withNotifications(from: [first, second]) { notifications in
                    for number in 0..<300 {
                        let channel = [first, second, "other"][number % 3]
                        _ = try await database.rows("SELECT pg_notify(\(channel), \(String(number)))")
                    }
                    var got: [PostgresNotification] = []
                    for try await notification in notifications {
                        got.append(notification)
                        if got.count == 200 { break }
                    }
                    return got
                }
                // Each single statement is a transaction of its own and was answered before the next was sent.
                #expect(got.map(\.payload) == (0..<300).filter { $0 % 3 != 2 }.map(String.init))
                #expect(got.allSatisfy { $0.channel == (Int($0.payload).map { $0 % 3 } == 0 ? first : second) })
                #expect(got.allSatisfy { $0.processID > 0 })
            }
        }

        @Test(
            "end with an error when the connection is lost, and when the database is closed", arguments: [true, false])
        func loss(isTerminated: Bool) async throws {
            let name = uniqueName("listener")
            try await withPostgres { other in
                try await withPostgres(name) { database in
                    let driver = try #require(database.postgres)
                    let channel = uniqueName("channel")
                    let (gate, heard) = (Gate(), Gate())
                    let task = Task {
                        try await driver.withNotifications(from: [channel]) { notifications in
                            var payloads: [String] = []
                            gate.open()
                            do {
                                for try await notification in notifications {
                                    payloads.append(notification.payload)
                                    heard.open()
                                }
                                return (payloads, SQLError?.none)
                            } catch {
                                return (payloads, error as? SQLError)
                            }
                        }
                    }
                    try await gate.pass()
                    _ = try await other.rows("SELECT pg_notify(\(channel), 'heard')")
                    // A server that ends the session may do so before it passes on what it has.
                    try await heard.pass()
                    if isTerminated {
                        _ = try await other.rows(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE application_name = \(name) AND query LIKE 'LISTEN%'
                            """)
                    } else {
                        await database.close()
                    }
                    let (payloads, error) = try await task.value
                    #expect(payloads == ["heard"])
                    #expect(error?.kind == .connection)
                    try await until("the listener's session is gone") {
                        try await other.scalar(
                            "SELECT count(*) FROM pg_stat_activity WHERE application_name = \(name) AND query LIKE 'LISTEN%'",
                            as: Int.self) == 0
                    }
                }
            }
        }

        @Test("a listener that is cancelled leaves no session behind")
        func cancelled() async throws {
            let name = uniqueName("listener")
            try await withPostgres { other in
                try await withPostgres(name, pool: PoolSettings(size: 1, overflow: 0)) { database in
                    let driver = try #require(database.postgres)
                    for moment in 0..<30 {
                        let task = Task {
                            try await driver.withNotifications(from: [uniqueName("channel")]) { notifications in
                                for try await _ in notifications {}
                            }
                        }
                        for _ in 0..<moment * 20 { await Task.yield() }
                        task.cancel()
                        _ = await task.result
                    }
                    try await until("the listeners' sessions are gone") {
                        try await sessionCount(name, on: other) == 1
                    }
                }
            }
        }

        @Test("more than may wait are not lost in silence")
        func flood() async throws {
            try await withPostgres { database in
                let driver = try #require(database.postgres)
                let channel = uniqueName("flood")
                let count = PostgresDriver.maximumNotifications + 2_000
                let error = await failure {
                    try await driver.withNotifications(from: [channel]) { notifications in
                        _ = try await database.rows(
                            "SELECT pg_notify(\(channel), i::text) FROM generate_series(0, \(count)::int) AS i")
                        try await until("the server has sent them") {
                            try await database.scalar("SELECT pg_notification_queue_usage() = 0", as: Bool.self)
                        }
                        // The event loop that reads these answers reads 8 KB or more of the notifications, too, each time.
                        for _ in 0..<200 { try await database.ping() }
                        var next = 0
                        for try await notification in notifications {
                            #expect(notification.payload == String(next))
                            next += 1
                        }
                    }
                }
                #expect((error as? SQLError)?.kind == .storage)
            }
        }
    }
}
