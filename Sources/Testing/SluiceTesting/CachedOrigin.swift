// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
import NIOCore
public import SluiceHTTP

/// A response cache on a store, before an origin that counts its requests and answers each with its path and language.
public final class CachedOrigin<Store: HTTPCacheStore>: Sendable {
    /// What is tested, as it is used.
    public let cache: HTTPCache
    /// Where the cache keeps its answers.
    public let store: Store
    /// The paths that the origin was asked for, in order.
    public let asked = Locked<[String]>([])
    private let fields: HTTPFields

    /// Creates a cache on a store.
    ///
    /// - Parameter fields: Those of every answer.
    public init(_ store: Store, fields: HTTPFields) {
        self.store = store
        self.cache = HTTPCache(store: store)
        self.fields = fields
    }

    /// Asks through the cache.
    ///
    /// - Returns: The answer's body: path, `Accept-Language`, and two bytes that no text store would keep by chance.
    public func get(
        _ path: String, _ method: HTTPRequest.Method = .get, _ fields: HTTPFields = [:]
    ) async throws -> String {
        let request = HTTPRequest(
            method: method, scheme: "http", authority: "example.org", path: path, headerFields: fields)
        let response = try await self.cache.intercept(request, body: nil) { request, _ in
            self.asked.withLock { $0.append(request.path ?? "") }
            let language = request.headerFields[.acceptLanguage] ?? ""
            let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
                stream.yield(ByteBuffer(string: "\(request.path ?? "")\(language)\u{0}\u{FF}"))
                stream.finish()
            }
            return HTTPTransportResponse(head: HTTPResponse(status: .ok, headerFields: self.fields), body: parts)
        }
        return String(buffer: try await response.collect(upTo: .max))
    }
}
