// SPDX-License-Identifier: Apache-2.0
import CZlib
import NIOCore

/// Inflates a body piece by piece, with a bound on what comes out.
///
/// One call brings one piece of at most 64 KiB, however much its input expands to, so neither memory nor back-pressure depends on
/// how well something was compressed.
final class Inflater {
    /// How a body is compressed.
    enum Format {
        /// RFC 1952; several members one after the other are one body.
        case gzip
        /// RFC 1950; and, since many servers leave the wrapper out, RFC 1951.
        case deflate
    }

    /// What comes out at once at the most, in bytes.
    static let pieceBytes = 65_536
    /// From how many bytes on the ratio is looked at: a small body of zeros is no attack.
    static let ratioGrace = 1 << 20

    private let format: Format
    private let maximumRatio: Int
    private let stream: UnsafeMutablePointer<z_stream>
    private var isBegun = false
    private var input = ByteBuffer()
    private var read = 0
    private var written = 0
    /// Whether the last byte of a member has been seen, and none of a next one.
    private(set) var isAtEnd = true

    /// - Parameter maximumRatio: How many bytes may come out for one that goes in, once there are ``ratioGrace``.
    init(_ format: Format, maximumRatio: Int) {
        self.format = format
        self.maximumRatio = maximumRatio
        self.stream = .allocate(capacity: 1)
        self.stream.initialize(to: z_stream())
    }

    deinit {
        if self.isBegun { inflateEnd(self.stream) }
        self.stream.deallocate()
    }

    /// Whether more input is needed for more output.
    var needsInput: Bool { self.input.readableBytes == 0 }

    /// Takes in what comes next; asked for only when ``needsInput``.
    func feed(_ bytes: ByteBuffer) {
        self.input = bytes
        self.read += bytes.readableBytes
    }

    /// The next piece; empty if the input was used up without any.
    ///
    /// - Throws: ``APIClientError`` of kind `invalidResponse` if the input is damaged, `bodyTooLarge` if it expands too much.
    func piece() throws(APIClientError) -> ByteBuffer {
        try self.begin()
        // Ahead of the work: what is left in the stream from before needs room and no input.
        var output = ByteBufferAllocator().buffer(capacity: Self.pieceBytes)
        var status = Z_OK
        repeat {
            let consumed = self.input.withUnsafeMutableReadableBytes { bytes in
                self.stream.pointee.next_in = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
                self.stream.pointee.avail_in = UInt32(bytes.count)
                output.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { room in
                    self.stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    self.stream.pointee.avail_out = UInt32(room.count)
                    status = inflate(self.stream, Z_NO_FLUSH)
                    return room.count - Int(self.stream.pointee.avail_out)
                }
                return bytes.count - Int(self.stream.pointee.avail_in)
            }
            self.input.moveReaderIndex(forwardBy: consumed)
            if status == Z_STREAM_END {
                self.isAtEnd = true
                guard self.input.readableBytes > 0 else { break }
                guard self.beginNextMember() else {
                    self.input.clear()
                    break
                }
                status = Z_OK
            }
        } while status == Z_OK && self.input.readableBytes > 0 && output.writableBytes > 0
        guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
            throw APIClientError(.invalidResponse, message: "the compressed body is damaged")
        }
        self.written += output.readableBytes
        guard self.written <= Self.ratioGrace || self.written / self.maximumRatio <= self.read else {
            throw APIClientError(
                .bodyTooLarge, message: "the compressed body expands to more than \(self.maximumRatio) times its size")
        }
        return output
    }

    /// Whether another member follows; what follows a deflate body, or zeros that fill up a gzip file, is nobody's.
    private func beginNextMember() -> Bool {
        guard self.format == .gzip, self.input.getInteger(at: self.input.readerIndex) == UInt8(0x1F) else {
            return false
        }
        inflateReset(self.stream)
        self.isAtEnd = false
        return true
    }

    private func begin() throws(APIClientError) {
        if self.isBegun {
            guard self.isAtEnd, self.input.readableBytes > 0 else { return }
            if !self.beginNextMember() { self.input.clear() }
            return
        }
        // 15 is the largest window; 16 more is gzip, and a negative number is deflate without a wrapper.
        let bits: Int32 =
            switch self.format {
            case .gzip: 15 + 16
            case .deflate: self.looksWrapped ? 15 : -15
            }
        let size = Int32(MemoryLayout<z_stream>.size)
        guard inflateInit2_(self.stream, bits, ZLIB_VERSION, size) == Z_OK else {
            throw APIClientError(.invalidResponse, message: "no memory to inflate the body")
        }
        self.isBegun = true
        self.isAtEnd = false
    }

    /// Whether the first byte says "deflate, window of up to 32 KiB", which no body without a wrapper begins with in practice, and
    /// the first two are a multiple of 31.
    ///
    /// - Source: RFC 1950 §2.2.
    private var looksWrapped: Bool {
        guard let first: UInt8 = self.input.getInteger(at: self.input.readerIndex), first & 0x0F == 8, first >> 4 <= 7
        else {
            return false
        }
        guard let both: UInt16 = self.input.getInteger(at: self.input.readerIndex) else { return true }
        return both % 31 == 0
    }
}
