// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import NIOCore
import NIOFoundationCompat

/// A request's body and the media type it is sent with.
public struct HTTPContent: Sendable {
    /// The body.
    public let body: HTTPBody
    /// The value of `Content-Type`; none is sent if nil.
    public let type: String?

    /// Creates content.
    public init(_ body: HTTPBody, type: String?) {
        self.body = body
        self.type = type
    }

    /// A value as JSON.
    ///
    /// - Parameter encoder: How it is written; the service's own date and key strategies belong there.
    /// - Throws: `EncodingError`.
    public static func json(_ value: some Encodable, encoder: JSONEncoder = JSONEncoder()) throws -> HTTPContent {
        HTTPContent(.bytes(ByteBuffer(data: try encoder.encode(value))), type: "application/json")
    }

    /// A form as HTML forms without files are sent.
    public static func form(_ parameters: HTTPParameters) -> HTTPContent {
        HTTPContent(.bytes(ByteBuffer(string: parameters.form)), type: "application/x-www-form-urlencoded")
    }

    /// Text in UTF-8.
    public static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> HTTPContent {
        HTTPContent(.bytes(ByteBuffer(string: text)), type: type)
    }

    /// Bytes as they are.
    public static func bytes(_ bytes: ByteBuffer, type: String? = "application/octet-stream") -> HTTPContent {
        HTTPContent(.bytes(bytes), type: type)
    }

    /// A form with files, each of which may be a stream.
    public static func multipart(_ form: MultipartForm) -> HTTPContent {
        HTTPContent(form.body, type: form.contentType)
    }

    /// Values as lines of JSON, each made when the connection has room for it.
    ///
    /// - Parameters:
    ///   - values: The values, read once.
    ///   - encoder: How each is written; must not write newlines, so no pretty printing.
    public static func lines<Values: AsyncSequence & Sendable>(
        _ values: Values, encoder: JSONEncoder = JSONEncoder()
    ) -> HTTPContent where Values.Element: Encodable {
        HTTPContent(.stream(once: JSONLines(values: values, encoder: encoder)), type: "application/x-ndjson")
    }
}

/// Values as lines of JSON.
private struct JSONLines<Values: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Values.Element: Encodable {
    let values: Values
    let encoder: JSONEncoder

    struct Iterator: AsyncIteratorProtocol {
        var values: Values.AsyncIterator
        let encoder: JSONEncoder

        mutating func next() async throws -> ByteBuffer? {
            guard let value = try await self.values.next(isolation: #isolation) else { return nil }
            var line = ByteBuffer(data: try self.encoder.encode(value))
            line.writeInteger(UInt8(ascii: "\n"))
            return line
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(values: self.values.makeAsyncIterator(), encoder: self.encoder) }
}
