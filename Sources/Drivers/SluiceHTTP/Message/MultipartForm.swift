// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A form with files, as `multipart/form-data`.
///
/// Names are written as browsers do: a quote, a carriage return and a line feed in them are percent-encoded, all else is UTF-8 as
/// it is. The length is announced only if every part's length is known. The boundary is 144 random bits, and is drawn anew should it
/// occur in a part that is there as bytes; that it occurs in a stream is as likely as guessing a key of that size.
///
/// - Source: RFC 7578; WHATWG HTML, "Multipart form data".
public struct MultipartForm: Sendable {
    fileprivate struct Part: Sendable {
        let head: String
        let body: HTTPBody
    }

    private var parts: [Part] = []
    /// What stands between the parts.
    public private(set) var boundary: String

    /// Creates an empty form.
    public init() {
        self.boundary = Self.randomBoundary()
    }

    /// Creates an empty form with a boundary that is known, for tests.
    ///
    /// - Parameter boundary: 1 to 70 characters from `0-9 A-Z a-z ' _ -`.
    public init(boundary: String) {
        precondition((1...70).contains(boundary.utf8.count), "a boundary has 1 to 70 characters")
        self.boundary = boundary
    }

    /// Adds a field.
    public mutating func add(_ name: String, _ value: String) {
        self.append(Part(head: Self.head(name, file: nil, type: nil), body: .bytes(ByteBuffer(string: value))))
    }

    /// Adds a file.
    ///
    /// - Parameters:
    ///   - name: The field's name.
    ///   - filename: What the file is called; without folders.
    ///   - type: Its media type.
    ///   - body: Its content; a stream is sent as it is made.
    public mutating func add(
        _ name: String, filename: String, type: String = "application/octet-stream", _ body: HTTPBody
    ) {
        // A media type comes from code; a line break in it would let it write header fields.
        precondition(!type.utf8.contains { $0 < 0x20 || $0 == 0x7F }, "a media type has no control characters")
        self.append(Part(head: Self.head(name, file: filename, type: type), body: body))
    }

    /// The value of `Content-Type`.
    public var contentType: String { "multipart/form-data; boundary=\(self.boundary)" }

    /// The whole form, its length known if every part's is.
    public var body: HTTPBody {
        let pieces = self.pieces
        var length: Int64? = 0
        for piece in pieces { length = length.flatMap { length in piece.length.map { length + $0 } } }
        if pieces.allSatisfy({ $0.bytes != nil }) {
            var bytes = ByteBuffer()
            for piece in pieces { bytes.writeImmutableBuffer(piece.bytes ?? ByteBuffer()) }
            return .bytes(bytes)
        }
        let make: @Sendable () -> HTTPBody.Parts = { Pieces(pieces: pieces) }
        // Made again it would ask a stream that exists once for its parts a second time, so then it exists once too.
        return pieces.allSatisfy(\.canBeMadeAgain)
            ? .stream(length: length, make: make) : .stream(length: length, once: Pieces(pieces: pieces))
    }

    private var pieces: [HTTPBody] {
        self.parts.flatMap { part in
            [
                .bytes(ByteBuffer(string: "--\(self.boundary)\r\n\(part.head)")), part.body,
                .bytes(ByteBuffer(string: "\r\n")),
            ]
        } + [.bytes(ByteBuffer(string: "--\(self.boundary)--\r\n"))]
    }

    private mutating func append(_ part: Part) {
        self.parts.append(part)
        while self.parts.contains(where: { $0.contains(self.boundary) }) { self.boundary = Self.randomBoundary() }
    }

    private static func head(_ name: String, file: String?, type: String?) -> String {
        var head = "Content-Disposition: form-data; name=\"\(Self.escaped(name))\""
        if let file { head += "; filename=\"\(Self.escaped(file))\"" }
        head += "\r\n"
        if let type { head += "Content-Type: \(type)\r\n" }
        return head + "\r\n"
    }

    private static func escaped(_ name: String) -> String {
        PercentEncoding.encoded(name) { byte in
            byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\r") && byte != UInt8(ascii: "\n")
        }
    }

    private static func randomBoundary() -> String {
        // 24 characters of 64 that stand in a header field without quotes.
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_".utf8)
        let random = (0..<24).map { _ in alphabet[Int.random(in: 0..<64)] }
        return "sluice-" + String(decoding: random, as: UTF8.self)
    }
}

extension MultipartForm.Part {
    /// Whether the boundary occurs in what is known of the part before it is sent.
    fileprivate func contains(_ boundary: String) -> Bool {
        if self.head.contains(boundary) { return true }
        guard let bytes = self.body.bytes else { return false }
        return bytes.readableBytesView.firstRange(of: Array(boundary.utf8)) != nil
    }
}

/// Bodies one after the other.
private struct Pieces: AsyncSequence, Sendable {
    let pieces: [HTTPBody]

    struct Iterator: AsyncIteratorProtocol {
        var rest: ArraySlice<HTTPBody>
        var current: (any AsyncIteratorProtocol<ByteBuffer, any Error>)?

        mutating func next() async throws -> ByteBuffer? {
            while true {
                if var current = self.current {
                    let part = try await current.next(isolation: #isolation)
                    self.current = current
                    if let part { return part }
                    self.current = nil
                }
                guard let piece = self.rest.popFirst() else { return nil }
                if let bytes = piece.bytes {
                    if bytes.readableBytes > 0 { return bytes }
                } else {
                    self.current = try piece.parts().makeAsyncIterator()
                }
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(rest: self.pieces[...], current: nil) }
}
