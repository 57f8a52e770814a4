// SPDX-License-Identifier: Apache-2.0
import CZlib
package import NIOCore

/// Deflates the messages of one direction of one connection.
///
/// Memory for it is taken with the first message. Not sendable: it belongs to the connection's event loop.
package final class Deflater {
    private let windowBits: Int32
    private let keepsWindow: Bool
    let effort: WebSocketCompression.Effort
    private var stream: UnsafeMutablePointer<z_stream>?

    /// The logarithm of the window.
    var bits: Int { Int(self.windowBits) }

    /// - Parameters:
    ///   - windowBits: The logarithm of the window, 9 to 15: zlib cannot deflate with one of 8, and must not be let pretend to.
    ///   - keepsWindow: Whether a message may refer to those before it.
    ///   - effort: What zlib is told about time and memory.
    package init(windowBits: Int, keepsWindow: Bool, effort: WebSocketCompression.Effort) {
        precondition((9...15).contains(windowBits), "windowBits must be in 9...15 (is \(windowBits))")
        self.windowBits = Int32(windowBits)
        self.keepsWindow = keepsWindow
        self.effort = effort
    }

    deinit {
        guard let stream = self.stream else { return }
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Deflates a piece of a message to the end of `output`.
    ///
    /// - Parameters:
    ///   - input: The piece.
    ///   - output: Where it goes.
    ///   - isLast: Whether the message ends with it: then the four bytes that every message lacks are taken off.
    /// - Returns: False if zlib could not get memory; nothing was written then.
    package func deflate(_ input: UnsafeRawBufferPointer, into output: inout ByteBuffer, isLast: Bool) -> Bool {
        guard let stream = self.opened() else { return false }
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(input.count)
        defer { stream.pointee.next_in = nil }
        var piece = input.count / 2 + 64
        repeat {
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: piece) { target in
                stream.pointee.next_out = target.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = UInt32(target.count)
                _ = CZlib.deflate(stream, Z_SYNC_FLUSH)
                return target.count - Int(stream.pointee.avail_out)
            }
            piece = max(1_024, piece)
        } while stream.pointee.avail_out == 0
        guard isLast else { return true }
        // Every flush ends with an empty block, 00 00 FF FF.
        output.moveWriterIndex(to: output.writerIndex - 4)
        self.endMessage()
        return true
    }

    /// Says that a message has ended whose end was not deflated here.
    package func endMessage() {
        if !self.keepsWindow { self.forget() }
    }

    /// Makes what comes next refer to nothing before it.
    package func forget() {
        if let stream = self.stream { deflateReset(stream) }
    }

    private func opened() -> UnsafeMutablePointer<z_stream>? {
        if let stream = self.stream { return stream }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, Int32(self.effort.level), Z_DEFLATED, -self.windowBits, Int32(self.effort.memoryLevel),
            Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            return nil
        }
        self.stream = stream
        return stream
    }
}
