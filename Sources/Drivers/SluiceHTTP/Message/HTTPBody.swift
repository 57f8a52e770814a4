// SPDX-License-Identifier: Apache-2.0
public import NIOCore
import Synchronization

/// What a request carries: bytes, or parts that are made while they are sent.
///
/// Nothing given as a stream is ever held whole: a part is asked for when the connection has room for it.
public struct HTTPBody: Sendable {
    /// The parts as they are sent.
    public typealias Parts = any AsyncSequence<ByteBuffer, any Error> & Sendable

    private enum Content {
        case bytes(ByteBuffer)
        case stream(make: @Sendable () -> Parts)
        case once(OneShot)
    }

    private let content: Content
    /// How many bytes it has, if that is known before it is sent; sent in chunks otherwise.
    public let length: Int64?

    private init(_ content: Content, length: Int64?) {
        precondition(length ?? 0 >= 0, "length must not be negative (is \(length ?? 0))")
        self.content = content
        self.length = length
    }

    /// Bytes that are there.
    public static func bytes(_ bytes: ByteBuffer) -> HTTPBody {
        HTTPBody(.bytes(bytes), length: Int64(bytes.readableBytes))
    }

    /// Parts that can be made as often as the request is sent: a file, for example.
    ///
    /// - Parameters:
    ///   - length: How many bytes all parts have, or nil if that is not known; a wrong number fails the request.
    ///   - make: Makes the sequence of the parts, once for each time the request is sent.
    public static func stream(length: Int64? = nil, make: @escaping @Sendable () -> Parts) -> HTTPBody {
        HTTPBody(.stream(make: make), length: length)
    }

    /// Parts that exist once, such as those of a request that is passed on; never sent again once one was asked for.
    ///
    /// - Parameters:
    ///   - length: How many bytes all parts have, or nil if that is not known; a wrong number fails the request.
    ///   - parts: The parts, to be read once.
    public static func stream(
        length: Int64? = nil, once parts: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) -> HTTPBody {
        HTTPBody(.once(OneShot(parts)), length: length)
    }

    /// The bytes, if it was given as such.
    public var bytes: ByteBuffer? { if case .bytes(let bytes) = self.content { bytes } else { nil } }

    /// Whether it can be sent, be it for the first time or again: false once the parts of a stream that exists once are taken.
    public var isReplayable: Bool { if case .once(let stream) = self.content { !stream.isTaken } else { true } }

    /// Whether its parts can be made as often as anybody likes.
    var canBeMadeAgain: Bool { if case .once = self.content { false } else { true } }

    /// The parts, to be read once; asking again makes them again.
    ///
    /// - Throws: ``APIClientError`` of kind `bodyNotReplayable` if they existed once and have been taken.
    public func parts() throws -> Parts {
        switch self.content {
        case .bytes(let bytes): return SinglePart(bytes: bytes)
        case .stream(let make): return make()
        case .once(let stream): return try stream.take()
        }
    }
}

extension HTTPBody {
    /// A sequence that is handed out once.
    private final class OneShot: Sendable {
        private let parts: Mutex<Parts?>

        init(_ parts: Parts) {
            self.parts = Mutex(parts)
        }

        var isTaken: Bool { self.parts.withLock { $0 == nil } }

        func take() throws -> Parts {
            guard let parts = self.parts.withLock({ $0.take() }) else {
                throw APIClientError(
                    .bodyNotReplayable, message: "the body is a stream that exists once, and was sent already")
            }
            return parts
        }
    }
}
