// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore
import Sluice

/// An answer whose body is read as it arrives.
///
/// The connection is given up when the body has ended, or when neither this value nor an iterator of its body is left.
public struct HTTPStream: Sendable {
    /// The status.
    public let status: HTTPResponse.Status
    /// The header fields.
    public let fields: HTTPFields
    /// The body's parts, inflated, to be read once; as many as the server sends, so whoever keeps them bounds them.
    public let body: any AsyncSequence<ByteBuffer, any Error> & Sendable
    /// Where the answer came from.
    public let url: String
    /// How often the last hop was tried.
    public let attempts: Int

    /// Reads the body to its end.
    ///
    /// - Throws: ``APIClientError`` of kind `bodyTooLarge` past `limit` bytes; what the connection throws.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        let head = HTTPResponse(status: self.status, headerFields: self.fields)
        return try await HTTPTransportResponse(head: head, body: self.body).collect(upTo: limit)
    }
}

/// A body that must have ended at a deadline.
struct DeadlineBody: AsyncSequence, Sendable {
    let base: HTTPBody.Parts
    let limit: Duration
    let deadline: Instant
    let time: any TimeSource

    struct Iterator: AsyncIteratorProtocol {
        var base: any AsyncIteratorProtocol<ByteBuffer, any Error>
        let expiry: TimeoutError
        let deadline: Instant
        let time: any TimeSource

        mutating func next() async throws -> ByteBuffer? {
            let left = self.time.now.duration(to: self.deadline)
            guard left > .zero else { throw self.expiry }
            let outcome = await Pipeline("stream", time: self.time) { Deadline(left) }.outcome { _ in
                try await self.base.next(isolation: #isolation)
            }
            if case .timedOut = outcome { throw self.expiry }
            return try outcome.get()
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(
            base: self.base.makeAsyncIterator(),
            expiry: TimeoutError(policy: Deadline.policyName, limit: self.limit), deadline: self.deadline,
            time: self.time)
    }
}
