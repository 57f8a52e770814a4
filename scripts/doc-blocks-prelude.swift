// SPDX-License-Identifier: Apache-2.0
// What the Swift blocks of the documentation use without declaring it; see scripts/check-doc-blocks.
import Sluice

/// Somebody.
struct User: Sendable, Hashable {
    var id = 0
    var name = ""
}

/// What was paid.
struct Receipt: Sendable, Hashable {
    static let queued = Receipt()
}

/// The other side said no.
struct Rejected: Error {}

func fetch(_ url: String) async throws -> String { "" }
func download(_ url: String) async throws -> [UInt8] { [] }
func fetchUser(_ id: Int) async throws -> User { User(id: id) }
func fetchUsers(_ ids: [Int]) async throws -> [User] { ids.map { User(id: $0) } }
func charge(_ amount: Int) async throws -> Receipt { .queued }
func log(_ text: String) {}

/// A pipeline that exists already.
let payments = Pipeline("payments") {
    Deadline(.seconds(10))
    Retry(maximumAttempts: 3)
    CircuitBreaker()
    Timeout(.seconds(2))
}
