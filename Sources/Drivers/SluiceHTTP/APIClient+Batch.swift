// SPDX-License-Identifier: Apache-2.0
public import Sluice

extension APIClient {
    /// Sends many requests, at most `maximumConcurrent` at once.
    ///
    /// - Parameters:
    ///   - requests: Read as the work goes on, so they may be many, or made one by one.
    ///   - maximumConcurrent: Requests under way at once; at least 1.
    /// - Returns: What each brought, in their order.
    /// - Throws: `CancellationError`, and nothing else, if the caller was cancelled; nothing is under way any more then.
    public func batch(
        _ requests: some Sequence<APIRequest>, maximumConcurrent: Int = Defaults.maximumConcurrent
    ) async throws -> [Result<HTTPReply, any Error>] {
        try await requests.gather(limit: maximumConcurrent) { try await self.send($0) }
    }
}
