// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Something that several may be the first to do, and only one does.
final class Once: Sendable {
    private let isTaken = Atomic(false)

    /// Whether the caller is the first.
    func take() -> Bool { !self.isTaken.exchange(true, ordering: .acquiringAndReleasing) }
}
