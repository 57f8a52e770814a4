// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice

/// What tells the server to stop a connection's statement, over a connection of its own.
///
/// Unchecked, because it is a C pointer, which libpq allows any thread to use; freed with its last user, who may outlive the
/// connection.
final class PostgresCancel: @unchecked Sendable {
    /// Apart from other work that blocks: while a network is gone these threads are stuck.
    private static let lane = ThreadLane("postgres-cancel", threads: 16)

    private let pointer: OpaquePointer?

    init(_ handle: OpaquePointer) {
        self.pointer = PQgetCancel(handle)
    }

    deinit { PQfreeCancel(self.pointer) }

    /// Blocks until the server has acted on it, or cannot be reached.
    func send() {
        guard let pointer = self.pointer else { return }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            _ = PQcancel(pointer, buffer.baseAddress, 256)
        }
    }

    /// The same on a thread made for it.
    func sendOnLane() async {
        try? await Self.lane.run { self.send() }
    }
}
