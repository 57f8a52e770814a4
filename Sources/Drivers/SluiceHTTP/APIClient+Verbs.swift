// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import HTTPTypes

/// One call for each method.
extension APIClient {
    /// Fetches a URL.
    ///
    /// - Parameters:
    ///   - path: An absolute http or https URL, or a path below the base URL.
    ///   - query: Added to the path's query.
    ///   - fields: Header fields to send; with `If-None-Match` or `If-Modified-Since`, status 304 is an answer, not an error.
    ///   - cacheKey: What the answer is remembered by in the response cache, in place of its URL.
    ///   - timeToLive: How long it is fresh there, in place of what it says of itself.
    /// - Returns: An answer with status 2xx or 304, its body complete.
    /// - Throws: ``APIClientError``, `RejectionError`, `TimeoutError`, `CancellationError`.
    public func get(
        _ path: String, query: HTTPParameters = [:], fields: HTTPFields = [:], cacheKey: String? = nil,
        timeToLive: Duration? = nil
    ) async throws -> HTTPReply {
        var request = APIRequest(.get, path, query: query, fields: fields)
        request.cacheKey = cacheKey
        request.timeToLive = timeToLive
        return try await self.send(request)
    }

    /// Fetches a value in JSON.
    ///
    /// - Throws: As ``get(_:query:fields:cacheKey:timeToLive:)``; ``APIClientError`` of kind `undecodable`.
    public func get<Value: Decodable>(
        _ path: String, as type: Value.Type, query: HTTPParameters = [:], fields: HTTPFields = [:],
        cacheKey: String? = nil, timeToLive: Duration? = nil, decoder: JSONDecoder = JSONDecoder()
    ) async throws -> Value {
        var fields = fields
        if fields[.accept] == nil { fields[.accept] = "application/json" }
        return try await self.get(path, query: query, fields: fields, cacheKey: cacheKey, timeToLive: timeToLive)
            .decode(type, decoder: decoder)
    }

    /// Posts content; tried again after an answer may have been lost only with an idempotency key.
    public func post(
        _ path: String, _ content: HTTPContent? = nil, query: HTTPParameters = [:], fields: HTTPFields = [:],
        idempotencyKey: String? = nil
    ) async throws -> HTTPReply {
        var request = APIRequest(.post, path, query: query, fields: fields, content: content)
        request.idempotencyKey = idempotencyKey
        return try await self.send(request)
    }

    /// Puts content in place of what is there.
    public func put(
        _ path: String, _ content: HTTPContent? = nil, query: HTTPParameters = [:], fields: HTTPFields = [:]
    ) async throws -> HTTPReply {
        try await self.send(APIRequest(.put, path, query: query, fields: fields, content: content))
    }

    /// Changes what is there; tried again after an answer may have been lost only with an idempotency key.
    public func patch(
        _ path: String, _ content: HTTPContent? = nil, query: HTTPParameters = [:], fields: HTTPFields = [:],
        idempotencyKey: String? = nil
    ) async throws -> HTTPReply {
        var request = APIRequest(.patch, path, query: query, fields: fields, content: content)
        request.idempotencyKey = idempotencyKey
        return try await self.send(request)
    }

    /// Deletes what is there.
    public func delete(
        _ path: String, query: HTTPParameters = [:], fields: HTTPFields = [:]
    ) async throws -> HTTPReply {
        try await self.send(APIRequest(.delete, path, query: query, fields: fields))
    }

    /// Asks for the header fields alone.
    public func head(
        _ path: String, query: HTTPParameters = [:], fields: HTTPFields = [:]
    ) async throws -> HTTPReply {
        try await self.send(APIRequest(.head, path, query: query, fields: fields))
    }

    /// Asks what may be done.
    public func options(
        _ path: String, query: HTTPParameters = [:], fields: HTTPFields = [:]
    ) async throws -> HTTPReply {
        try await self.send(APIRequest(.options, path, query: query, fields: fields))
    }
}
