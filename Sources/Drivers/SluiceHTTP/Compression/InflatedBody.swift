// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore

/// A body whose parts are inflated as they are asked for.
struct InflatedBody: AsyncSequence, Sendable {
    let base: any AsyncSequence<ByteBuffer, any Error> & Sendable
    let format: Inflater.Format
    let maximumRatio: Int

    struct Iterator: AsyncIteratorProtocol {
        var base: any AsyncIteratorProtocol<ByteBuffer, any Error>
        let inflater: Inflater
        var isOver = false
        /// A piece that filled its buffer may have more behind it, even with no input left.
        var mayHaveMore = false

        mutating func next() async throws -> ByteBuffer? {
            while !self.isOver {
                if self.inflater.needsInput, !self.mayHaveMore {
                    guard let input = try await self.base.next(isolation: #isolation) else {
                        self.isOver = true
                        guard self.inflater.isAtEnd else {
                            throw APIClientError(.connectionLost, message: "the compressed body ends before its end")
                        }
                        return nil
                    }
                    if input.readableBytes == 0 { continue }
                    self.inflater.feed(input)
                }
                let piece = try self.inflater.piece()
                self.mayHaveMore = piece.writableBytes == 0
                if piece.readableBytes > 0 { return piece }
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: self.base.makeAsyncIterator(), inflater: Inflater(self.format, maximumRatio: self.maximumRatio))
    }
}

extension HTTPTransportResponse {
    /// The answer with its body inflated, if it was compressed in a way we know; its head then says nothing of that any more.
    ///
    /// A part of a compressed body cannot be inflated by itself, and stays as it is.
    func inflated(maximumRatio: Int) -> HTTPTransportResponse {
        guard self.head.status != .partialContent,
            let coding = self.head.headerFields[.contentEncoding]?.trimmingSpaces.lowercased()
        else { return self }
        let format: Inflater.Format
        switch coding {
        case "gzip", "x-gzip": format = .gzip
        case "deflate": format = .deflate
        default: return self
        }
        var head = self.head
        head.headerFields[.contentEncoding] = nil
        head.headerFields[.contentLength] = nil
        return HTTPTransportResponse(
            head: head, body: InflatedBody(base: self.body, format: format, maximumRatio: maximumRatio))
    }
}
