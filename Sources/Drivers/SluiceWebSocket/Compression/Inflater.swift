// SPDX-License-Identifier: Apache-2.0
import CZlib
package import NIOCore

/// Inflates the messages of one direction of one connection.
///
/// Memory for it, about 7 KiB and the window, is taken with the first compressed message, so that a connection which agreed on
/// compression and is silent costs nothing.
///
/// Not sendable: it belongs to the connection's event loop.
package final class Inflater {
    package enum Result: Equatable {
        /// All input is used up.
        case done
        /// The message would be longer than allowed; what it would be is not inflated.
        case tooLarge
        /// This is not deflated data.
        case damaged
    }

    /// What every message lacks at its end (RFC 7692 §7.2.2), to be inflated after its last frame.
    static let messageEnd = ByteBuffer(bytes: [0x00, 0x00, 0xFF, 0xFF])

    private let windowBits: Int32
    private let keepsWindow: Bool
    private var stream: UnsafeMutablePointer<z_stream>?

    /// - Parameters:
    ///   - windowBits: The logarithm of the peer's window, 8 to 15.
    ///   - keepsWindow: Whether a message may refer to those before it. True unless the peer has agreed not to, since otherwise
    ///     it may do so whatever was asked of it.
    package init(windowBits: Int, keepsWindow: Bool) {
        precondition((8...15).contains(windowBits), "windowBits must be in 8...15 (is \(windowBits))")
        self.windowBits = Int32(windowBits)
        self.keepsWindow = keepsWindow
    }

    deinit {
        guard let stream = self.stream else { return }
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Inflates `input` to the end of `output`.
    ///
    /// - Parameters:
    ///   - input: A piece of a message.
    ///   - output: The message so far.
    ///   - limit: How many bytes `output` may have; looked at after each piece of output, so that little is inflated beyond it.
    package func inflate(_ input: ByteBuffer, into output: inout ByteBuffer, limit: Int) -> Result {
        guard input.readableBytes > 0 else { return .done }
        guard let stream = self.opened() else { return .damaged }
        return input.withUnsafeReadableBytes { bytes in
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(bytes.count)
            defer { stream.pointee.next_in = nil }
            return Self.run(stream, into: &output, limit: limit)
        }
    }

    private static func run(
        _ stream: UnsafeMutablePointer<z_stream>, into output: inout ByteBuffer, limit: Int
    ) -> Result {
        while true {
            // One byte more than allowed, to tell a message that is too large from one that just fits.
            let room = limit - output.readableBytes + 1
            let piece = min(room, max(256, Int(stream.pointee.avail_in) * 4, output.readableBytes))
            var status = Z_OK
            let count = output.writeWithUnsafeMutableBytes(minimumWritableBytes: piece) { target in
                let size = min(target.count, room)
                stream.pointee.next_out = target.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = UInt32(size)
                status = CZlib.inflate(stream, Z_SYNC_FLUSH)
                return size - Int(stream.pointee.avail_out)
            }
            if output.readableBytes > limit { return .tooLarge }
            switch status {
            case Z_OK:
                // Output left over means that all input is used up.
                if stream.pointee.avail_out > 0 { return .done }
            case Z_BUF_ERROR:
                // Nothing could be done: all input is used up, or, with input left, never.
                return stream.pointee.avail_in == 0 ? .done : .damaged
            case Z_STREAM_END:
                // A sender may end its stream within a message (RFC 7692 §7.2.3.5); what follows begins a new one, and may refer to
                // what was before.
                guard inflateResetKeep(stream) == Z_OK else { return .damaged }
                if stream.pointee.avail_in == 0 { return .done }
                if count == 0, stream.pointee.avail_out == 0 { return .damaged }
            default:
                return .damaged
            }
        }
    }

    /// Says that a message has been inflated whole, its ``messageEnd`` included.
    package func endMessage() {
        guard !self.keepsWindow, let stream = self.stream else { return }
        inflateReset(stream)
    }

    private func opened() -> UnsafeMutablePointer<z_stream>? {
        if let stream = self.stream { return stream }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Negative: no header and no check sum. 8 bits are no trouble for inflating, unlike for deflating.
        let status = inflateInit2_(stream, -self.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            return nil
        }
        self.stream = stream
        return stream
    }
}
