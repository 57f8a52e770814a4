// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore

/// Sends one request and brings back its answer: the one seam between the API client and the network.
///
/// A transport follows no redirect, tries nothing again and sets no time limit: those are the client's.
public protocol HTTPTransport: Sendable {
    /// Sends `request` with `body` and returns as soon as the answer's head is there.
    ///
    /// Gives up an answer's connection when its body is read to the end, or not read any more.
    ///
    /// - Throws: ``APIClientError``; `CancellationError` if the task is cancelled.
    func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse

    /// Closes every connection.
    func close() async
}

/// An answer whose body is still on its way.
public struct HTTPTransportResponse: Sendable {
    /// Status and header fields.
    public let head: HTTPResponse
    /// The body's parts as they arrive, to be read once.
    ///
    /// Ends with ``APIClientError`` or `CancellationError` like `send`.
    public let body: any AsyncSequence<ByteBuffer, any Error> & Sendable

    /// Creates an answer.
    public init(head: HTTPResponse, body: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        self.head = head
        self.body = body
    }
}
