// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice
import Synchronization

/// One try to connect, ended once: by the handshake, a failure, the deadline or a cancellation.
///
/// What comes after is closed.
final class ConnectAttempt: Sendable {
    typealias Outcome = Result<WebSocketConnection, any Error>

    private struct State {
        var isSettled = false
        var channel: (any Channel)?
    }

    private let state = Mutex(State())
    private let suspension = Suspension<Outcome>()

    /// The connection.
    ///
    /// - Throws: Whatever ended the attempt.
    func value() async throws -> WebSocketConnection {
        try await withTaskCancellationHandler {
            try await self.suspension.value().get()
        } onCancel: {
            self.settle(.failure(CancellationError()))
        }
    }

    /// Takes the channel, to be closed if the attempt fails.
    ///
    /// - Returns: False if it has failed already.
    func take(_ channel: any Channel) -> Bool {
        self.state.withLock { state in
            if !state.isSettled { state.channel = channel }
            return !state.isSettled
        }
    }

    /// Ends the attempt; only the first outcome counts.
    func settle(_ outcome: Outcome) {
        let (isFirst, channel) = self.state.withLock { state in
            defer { state.isSettled = true }
            return (!state.isSettled, state.channel)
        }
        if case .failure = outcome, isFirst { channel?.close(promise: nil) }
        // A connection that comes too late is closed by its release.
        if isFirst { self.suspension.settle(outcome) }
    }
}
