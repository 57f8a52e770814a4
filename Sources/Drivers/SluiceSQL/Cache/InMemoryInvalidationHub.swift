// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Channels within one process, for tests and for several caches side by side.
public final class InMemoryInvalidationHub: Sendable {
    private struct State {
        var receivers: [UInt64: @Sendable (CacheInvalidation) -> Void] = [:]
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Creates a hub.
    public init() {}

    /// How many channels are being listened to.
    public var subscriberCount: Int { self.state.withLock { $0.receivers.count } }

    /// A channel to all others of this hub.
    public func channel() -> some CacheInvalidationChannel {
        Channel(
            hub: self,
            id: self.state.withLock { state in
                state.nextID += 1
                return state.nextID
            })
    }

    private struct Channel: CacheInvalidationChannel {
        let hub: InMemoryInvalidationHub
        let id: UInt64

        func publish(_ invalidation: CacheInvalidation) async {
            let others = self.hub.state.withLock { $0.receivers.filter { $0.key != self.id } }
            for receive in others.values { receive(invalidation) }
        }

        func subscribe(_ receive: @escaping @Sendable (CacheInvalidation) -> Void) async throws {
            self.hub.state.withLock { $0.receivers[self.id] = receive }
            receive(.everything)
            let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
            for await _ in stream {}
            _ = continuation
            self.hub.state.withLock { _ = $0.receivers.removeValue(forKey: self.id) }
            try Task.checkCancellation()
        }
    }
}
