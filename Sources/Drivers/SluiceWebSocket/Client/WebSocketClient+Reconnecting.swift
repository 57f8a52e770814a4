// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import Sluice

extension WebSocketClient {
    /// Connects, runs `body`, and connects again whenever the connection is lost, until `body` returns or something else goes wrong.
    ///
    /// Again after a failure of the network, a limit in time, an overloaded server, or the peer's closing with 1001, 1011 to 1014 or
    /// no close frame: see ``WebSocketError/retryAdvice``. What was sent before may or may not have arrived.
    ///
    /// - Parameters:
    ///   - url: `ws:` or `wss:`, percent-encoded.
    ///   - headers: Asked anew before each attempt, so that a token is a fresh one.
    ///   - subprotocols: What can be spoken, most wanted first.
    ///   - backoff: How long to wait before each attempt after the first; a server's `Retry-After` makes it longer.
    ///   - maximumFailures: How many failures in a row are given up on, the last one thrown; at least 1, nil for never.
    ///   - stableAfter: A connection that lived this long ends the row of failures.
    ///   - randomness: Where the jitter is drawn from.
    ///   - placement: Where `body` runs.
    ///   - body: Given each connection.
    /// - Throws: What `body` or `headers` throw, a ``WebSocketError`` that another attempt would not help, or `CancellationError`.
    public func reconnecting(
        to url: String, headers: () async throws -> HTTPFields = { [:] }, subprotocols: [String] = [],
        backoff: Backoff = .standard, maximumFailures: Int? = nil, stableAfter: Duration = .seconds(30),
        randomness: Randomness = .shared, placement: WebSocketPlacement = .eventLoop,
        _ body: (WebSocketConnection) async throws -> Void
    ) async throws {
        precondition(maximumFailures.map { $0 >= 1 } ?? true, "maximumFailures must be at least 1")
        let time = self.configuration.time
        var failures = 0
        var wait = Duration.zero
        while true {
            var connectedAt: Instant?
            let lost: WebSocketError
            do {
                let connection = try await self.connect(url, headers: try await headers(), subprotocols: subprotocols)
                connectedAt = time.now
                try await connection.serve(placement, body)
                guard let closure = connection.closure, closure.isByPeer, closure.code == .goingAway else { return }
                lost = .closed(closure)
            } catch let error as WebSocketError where error.retryAdvice != .never {
                lost = error
            }
            if let connectedAt, connectedAt.advanced(by: stableAfter) <= time.now { failures = 0 }
            failures += 1
            if let maximumFailures, failures >= maximumFailures { throw lost }
            let fraction = randomness.fraction()
            guard let next = backoff.delay(beforeRetry: failures, fraction: fraction, previous: wait) else {
                throw lost
            }
            wait = max(next, lost.retryAfter ?? .zero)
            self.configuration.report(.webSocketReconnecting, outcome: "\(lost.kind)", duration: wait)
            try await time.sleep(until: time.now.advanced(by: wait))
        }
    }
}
