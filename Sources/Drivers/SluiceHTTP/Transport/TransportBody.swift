// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOPosix

/// A body that gives its place back when it ends, and whose errors are ours.
struct TransportBody: AsyncSequence, Sendable {
    let base: HTTPClientResponse.Body
    let place: ConnectionPlace
    /// Kept until the body is read: with the last who holds it, a transport closes its connections.
    let transport: AsyncHTTPClientTransport

    struct Iterator: AsyncIteratorProtocol {
        // Unsafe only for the compiler: this iterator is the one owner of the other, and is itself not sendable.
        nonisolated(unsafe) var base: HTTPClientResponse.Body.AsyncIterator
        let place: ConnectionPlace
        let transport: AsyncHTTPClientTransport

        mutating func next() async throws -> ByteBuffer? {
            do {
                if let part = try await self.base.next() { return part }
                self.place.leave()
                return nil
            } catch {
                self.place.leave()
                throw TransportErrors.translated(error, mayBeHTTP2: true)
            }
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: self.base.makeAsyncIterator(), place: self.place, transport: self.transport)
    }
}

/// The parts of a request's body, an error of theirs told from the network's.
struct UploadBody<Base: AsyncSequence<ByteBuffer, any Error> & Sendable>: AsyncSequence, Sendable {
    let base: Base

    struct Iterator: AsyncIteratorProtocol {
        /// How many bytes may be on their way to the event loop.
        ///
        /// It is there that a full connection is noticed: a body that is quick
        /// to make would fill the memory before.
        private static var maximumBytes: Int { 262_144 }

        var base: Base.AsyncIterator
        private var unseenBytes = 0

        init(base: Base.AsyncIterator) {
            self.base = base
        }

        mutating func next() async throws -> ByteBuffer? {
            do {
                if self.unseenBytes > Self.maximumBytes {
                    self.unseenBytes = 0
                    await MultiThreadedEventLoopGroup.finishTurns()
                }
                let part = try await self.base.next(isolation: #isolation)
                // An empty part costs something too.
                self.unseenBytes += (part?.readableBytes ?? 0) + 64
                return part
            } catch {
                throw error is CancellationError
                    ? error : APIClientError(.bodyFailed, message: "the request's body threw an error", cause: error)
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeAsyncIterator()) }
}

extension HTTPClientRequest.Body {
    /// A request's body as the library takes it.
    static func body(_ body: HTTPBody) throws -> HTTPClientRequest.Body {
        if let bytes = body.bytes { return .bytes(bytes) }
        func stream(_ parts: some AsyncSequence<ByteBuffer, any Error> & Sendable) -> HTTPClientRequest.Body {
            .stream(UploadBody(base: parts), length: body.length.map { .known($0) } ?? .unknown)
        }
        return stream(try body.parts())
    }
}

extension MultiThreadedEventLoopGroup {
    /// Returns when every event loop of the program has done what it had been given.
    static func finishTurns() async {
        for loop in Self.singleton.makeIterator() { try? await loop.submit {}.get() }
    }
}
