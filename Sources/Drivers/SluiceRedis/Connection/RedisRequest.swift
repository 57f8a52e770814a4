// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice
import Synchronization

/// One command on its way, whose caller waits until it is answered, fails or is given up, whichever comes first.
///
/// Given up after it was sent it keeps its place among those in flight: its answer comes all the same, and is dropped.
final class RedisRequest: Sendable {
    /// 0 while it waits to be sent, 1 once it is sent, 2 if it was given up before.
    private let phase = Atomic<UInt8>(0)
    private let settled = Atomic(false)
    private let answer = Suspension<Result<RedisValue, any Error>>()

    let bytes: ByteBuffer
    let isScript: Bool

    init(_ bytes: ByteBuffer, isScript: Bool = false) {
        self.bytes = bytes
        self.isScript = isScript
    }

    /// Whether nobody waits for it any more.
    var isSettled: Bool { self.settled.load(ordering: .acquiring) }

    /// Claims it for a connection, right before its bytes are written.
    ///
    /// - Returns: False if it was given up: then it must not be sent.
    func markSent() -> Bool {
        self.phase.compareExchange(expected: 0, desired: 1, ordering: .acquiringAndReleasing).exchanged
    }

    /// Ends the wait; only the first end counts.
    func settle(_ result: Result<RedisValue, any Error>) {
        guard !self.settled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.answer.settle(result)
    }

    /// Ends the wait because nobody wants the answer any more.
    ///
    /// - Parameter error: What the caller is told; given whether the command has run, as far as that is known.
    /// - Returns: Whether it was sent.
    @discardableResult
    func abandon(_ error: (_ hasRun: Bool?) -> any Error) -> Bool {
        let isUnsent = self.phase.compareExchange(expected: 0, desired: 2, ordering: .acquiringAndReleasing).exchanged
        self.settle(.failure(error(isUnsent ? false : nil)))
        return !isUnsent
    }

    /// The answer; asked for once.
    func value() async throws -> RedisValue { try await self.answer.value().get() }
}
