// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import HTTPTypes
public import NIOCore
import NIOFoundationCompat

/// An answer, its body complete.
public struct HTTPReply: Sendable {
    /// The status.
    public let status: HTTPResponse.Status
    /// The header fields.
    public let fields: HTTPFields
    /// The body.
    public let body: ByteBuffer
    /// Where the answer came from: the request's URL, or the last one that redirects led to.
    public let url: String
    /// How often the last hop was tried, the first time included; 0 if the answer came from the cache.
    public let attempts: Int
    /// How long the whole call took.
    public let duration: Duration

    /// Whether it was answered without asking the server.
    public var isFromCache: Bool { self.attempts == 0 }

    /// The body as text; bytes that are no UTF-8 are replaced.
    public var text: String { String(buffer: self.body) }

    /// The body as a value from JSON.
    ///
    /// - Throws: ``APIClientError`` of kind `undecodable` that says where in the value it went wrong, and not what stands there.
    public func decode<Value: Decodable>(_ type: Value.Type, decoder: JSONDecoder = JSONDecoder()) throws -> Value {
        try JSONReply.decode(type, self.body, decoder)
    }
}

enum JSONReply {
    static func decode<Value: Decodable>(_ type: Value.Type, _ body: ByteBuffer, _ decoder: JSONDecoder) throws -> Value
    {
        do {
            return try decoder.decode(type, from: Data(buffer: body))
        } catch {
            throw APIClientError(.undecodable, message: "the body is no \(type): \(Self.reason(error))", cause: error)
        }
    }

    private static func reason(_ error: any Error) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.isEmpty
                ? "the whole" : path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context): "\(place(context.codingPath + [key])) is missing"
        case DecodingError.typeMismatch(_, let context): "\(place(context.codingPath)) is of another type"
        case DecodingError.valueNotFound(_, let context): "\(place(context.codingPath)) is null"
        case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty: "it is not JSON"
        case DecodingError.dataCorrupted(let context): "\(place(context.codingPath)) has a value that cannot be"
        default: "it cannot be read"
        }
    }
}
