// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// A state of a database's data: equal versions mean equal data.
public struct DatabaseVersion: Sendable, Hashable {
    /// Commits made through this process.
    let commitCount: Int64
    /// The engine's own number for commits by anyone.
    let engineVersion: Int64
}

/// Knows the ``DatabaseVersion`` without asking the engine each time.
public final class DatabaseVersions: Sendable {
    /// How long the engine's answer is relied on: 50 ms, so under load the engine is asked about 20 times a second.
    public static let reach: Duration = .milliseconds(50)

    private struct State {
        var commitCount: Int64 = 0
        var engineVersion: Int64 = 0
        var checkedAt: Instant?
    }

    private let driver: any DatabaseDriver
    private let time: any TimeSource
    private let state = Mutex(State())

    init(driver: any DatabaseDriver, time: any TimeSource) {
        self.driver = driver
        self.time = time
    }

    /// The version, if the engine was asked a short while ago.
    var current: DatabaseVersion? {
        self.state.withLock { state in
            guard let checkedAt = state.checkedAt, checkedAt.duration(to: self.time.now) < Self.reach else {
                return nil
            }
            return DatabaseVersion(commitCount: state.commitCount, engineVersion: state.engineVersion)
        }
    }

    /// Asks the engine.
    func refresh() async throws -> DatabaseVersion {
        // Taken before the question: the answer holds at least from then on.
        let asked = self.time.now
        let answer = try await self.driver.dataVersion() ?? 0
        return self.state.withLock { state in
            if asked >= state.checkedAt ?? asked {
                state.engineVersion = answer
                state.checkedAt = asked
            }
            return DatabaseVersion(commitCount: state.commitCount, engineVersion: state.engineVersion)
        }
    }

    func noteCommit() {
        self.state.withLock { $0.commitCount += 1 }
    }
}
