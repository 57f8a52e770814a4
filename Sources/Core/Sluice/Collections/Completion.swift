// SPDX-License-Identifier: Apache-2.0

/// How the work on one item of a sequence ended.
public struct Completion<Value: Sendable>: Sendable {
    /// The item's place in the sequence, counted from 0.
    public let index: Int
    /// What the work returned or threw.
    public let result: Result<Value, any Error>

    /// Creates a completion.
    @inlinable
    public init(index: Int, result: Result<Value, any Error>) {
        self.index = index
        self.result = result
    }
}

extension Result where Failure == any Error {
    /// What `body` returns or throws.
    @inlinable
    static func catching(_ body: () async throws -> Success) async -> Result {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}
