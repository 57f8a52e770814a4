// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// The values a ``ConnectionPool`` works by.
///
/// Never more than `size` and `overflow` together are open at the server, connections that are being opened or closed included.
public struct PoolSettings: PolicySettings {
    /// Connections that stay open while they are used now and then; at least 1, though a pool starts empty.
    public var size: Int
    /// Connections opened beyond `size` when all are lent, and closed as soon as nobody waits; at least 0.
    public var overflow: Int
    /// The longest a caller waits for a connection, pinging and connecting included.
    public var acquireTimeout: Duration
    /// How old a connection becomes, give or take a tenth, so that not all are renewed at once.
    public var maximumLifetime: Duration
    /// How long a connection stays open that nobody uses.
    public var idleTimeout: Duration
    /// How long a connection may have been idle and still be lent without being asked whether it is alive.
    public var pingAfterIdle: Duration
    /// The longest that opening one connection may take.
    public var connectTimeout: Duration
    /// How many connections are opened at once; at least 1.
    public var maximumConnecting: Int
    /// The wait after a first failure to connect, which doubles with each further one.
    public var connectBackoff: Duration
    /// The longest wait between two attempts to connect.
    public var maximumConnectBackoff: Duration
    /// How many callers may wait at once; at least 1.
    public var maximumWaiting: Int
    /// How long a connection may be lent before that is reported.
    public var leakWarning: Duration
    /// How many statements may share one connection, in a pipeline, once `size` are at work; at least 1, which shares none.
    public var statementsPerConnection: Int

    /// States settings.
    public init(
        size: Int = 20, overflow: Int = 30, acquireTimeout: Duration = .seconds(30),
        maximumLifetime: Duration = .seconds(3600), idleTimeout: Duration = .seconds(600),
        pingAfterIdle: Duration = .seconds(1), connectTimeout: Duration = .seconds(10), maximumConnecting: Int = 3,
        connectBackoff: Duration = .milliseconds(100), maximumConnectBackoff: Duration = .seconds(5),
        maximumWaiting: Int = 10_000, leakWarning: Duration = .seconds(30), statementsPerConnection: Int = 1
    ) {
        self.size = size
        self.overflow = overflow
        self.acquireTimeout = acquireTimeout
        self.maximumLifetime = maximumLifetime
        self.idleTimeout = idleTimeout
        self.pingAfterIdle = pingAfterIdle
        self.connectTimeout = connectTimeout
        self.maximumConnecting = maximumConnecting
        self.connectBackoff = connectBackoff
        self.maximumConnectBackoff = maximumConnectBackoff
        self.maximumWaiting = maximumWaiting
        self.leakWarning = leakWarning
        self.statementsPerConnection = statementsPerConnection
    }

    /// Every value by name.
    public static let keys: [SettingKey<PoolSettings>] = [
        .integer("size", 1...10_000, \.size),
        .integer("overflow", 0...10_000, \.overflow),
        .duration("acquireTimeout", atLeast: .nanoseconds(1), \.acquireTimeout),
        .duration("maximumLifetime", atLeast: .nanoseconds(1), \.maximumLifetime),
        .duration("idleTimeout", atLeast: .nanoseconds(1), \.idleTimeout),
        .duration("pingAfterIdle", atLeast: .zero, \.pingAfterIdle),
        .duration("connectTimeout", atLeast: .nanoseconds(1), \.connectTimeout),
        .integer("maximumConnecting", 1...10_000, \.maximumConnecting),
        .duration("connectBackoff", atLeast: .nanoseconds(1), \.connectBackoff),
        .duration("maximumConnectBackoff", atLeast: .nanoseconds(1), \.maximumConnectBackoff),
        .integer("maximumWaiting", 1...1_000_000, \.maximumWaiting),
        .duration("leakWarning", atLeast: .nanoseconds(1), \.leakWarning),
        .integer("statementsPerConnection", 1...10_000, \.statementsPerConnection),
    ]

    /// Connections at most, `size` and `overflow` together.
    public var capacity: Int { self.size + self.overflow }

    /// The wait before the next attempt to connect.
    ///
    /// - Parameters:
    ///   - failures: How many attempts in a row have failed; at least 1.
    ///   - fraction: Where between half the wait and all of it, in `0...1`.
    func connectDelay(after failures: Int, fraction: Double) -> Duration {
        let backoff = Backoff.exponential(from: self.connectBackoff).capped(at: self.maximumConnectBackoff)
        return backoff.jittered(.equal).delay(beforeRetry: failures, fraction: fraction) ?? self.maximumConnectBackoff
    }

    /// How old one connection becomes; `fraction`, in `0...1`, is where between nine and eleven tenths.
    func lifetime(fraction: Double) -> Duration {
        self.maximumLifetime * (0.9 + 0.2 * fraction)
    }
}
