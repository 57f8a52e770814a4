// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Why a caller got no connection in time: what the pool looked like when it gave up.
struct PoolShortage: Sendable {
    /// What took the time.
    enum Phase: String, Sendable {
        case waiting = "waiting for a free connection"
        case connecting = "connecting"
        case pinging = "pinging"
    }

    let pool: String
    let phase: Phase
    let waited: Duration
    let status: PoolStatus
    let settings: PoolSettings
    /// The lease that has lasted longest: how long, and whose.
    let oldestLease: (age: Duration, operation: String?)?
    let lastConnectError: (any Error)?
    /// How many connections the operation that gave up holds already.
    let ownLeases: Int

    var error: SQLError {
        var parts = [
            "\(self.pool): no connection within \(Self.text(self.waited)), spent \(self.phase.rawValue)",
            "\(self.status) (size \(self.settings.size) + \(self.settings.overflow))",
        ]
        if let (age, operation) = self.oldestLease {
            parts.append("oldest lease \(Self.text(age))" + (operation.map { " by \($0)" } ?? ""))
        }
        if let lastConnectError { parts.append("last connect error: \(lastConnectError)") }
        if self.ownLeases > 0 {
            parts.append(
                "hint: this operation holds \(self.ownLeases) connection(s) already and may be waiting for itself; "
                    + "use the one it has")
        }
        return SQLError(.pool, message: parts.joined(separator: "; "))
    }

    /// To the millisecond: the rest is noise.
    private static func text(_ duration: Duration) -> String {
        DurationText.text(.milliseconds(duration.clampedNanoseconds / 1_000_000))
    }
}
