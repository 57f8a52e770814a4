// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A body whose beginning was read, and whose rest is still on its way.
struct ResumedBody: AsyncSequence, Sendable {
    // Unsafe only for the compiler: an answer's body is read once and by one task, which has this iterator to itself
    // from then on.
    private nonisolated(unsafe) let rest: any AsyncIteratorProtocol<ByteBuffer, any Error>
    private let beginning: [ByteBuffer]

    init(_ beginning: [ByteBuffer], _ rest: any AsyncIteratorProtocol<ByteBuffer, any Error>) {
        self.beginning = beginning
        self.rest = rest
    }

    struct Iterator: AsyncIteratorProtocol {
        var beginning: ArraySlice<ByteBuffer>
        // Unsafe only for the compiler: this iterator is the one owner of the other, and is itself not sendable.
        nonisolated(unsafe) var rest: any AsyncIteratorProtocol<ByteBuffer, any Error>

        mutating func next() async throws -> ByteBuffer? {
            if let part = self.beginning.popFirst() { return part }
            return try await self.rest.next(isolation: #isolation)
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(beginning: self.beginning[...], rest: self.rest) }
}

/// An answer's body, read as far as a bound allows.
enum BoundedBody {
    case whole(ByteBuffer)
    case tooLong(ResumedBody)

    static func read(_ response: HTTPTransportResponse, upTo limit: Int) async throws -> BoundedBody {
        var iterator: any AsyncIteratorProtocol<ByteBuffer, any Error> = response.body.makeAsyncIterator()
        var parts: [ByteBuffer] = []
        var count = 0
        while let part = try await iterator.next(isolation: #isolation) {
            parts.append(part)
            count += part.readableBytes
            if count > limit { return .tooLong(ResumedBody(parts, iterator)) }
        }
        guard parts.count != 1 else { return .whole(parts[0]) }
        var whole = ByteBuffer()
        whole.reserveCapacity(count)
        for part in parts { whole.writeImmutableBuffer(part) }
        return .whole(whole)
    }

    /// Reads what nobody wants, so that its connection can be used again; not more than a little.
    static func discard(_ response: HTTPTransportResponse) async throws {
        _ = try await self.read(response, upTo: 65_536)
    }
}
