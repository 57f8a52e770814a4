// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Writes commands as Redis reads them: arrays of strings, each with its length before it.
///
/// - Source: RESP3 specification, "Simple types", "Array type".
enum RESPWriter {
    private static let lineEnd: StaticString = "\r\n"

    /// A command's bytes.
    static func command(_ name: String, _ arguments: [RedisArgument]) -> ByteBuffer {
        // The most that a header takes: its mark, the digits of a 64-bit number and the end of the line.
        let capacity = arguments.reduce(48 + name.utf8.count) { $0 + 24 + $1.count }
        var buffer = ByteBufferAllocator().buffer(capacity: capacity)
        self.header("*", arguments.count + 1, into: &buffer)
        self.header("$", name.utf8.count, into: &buffer)
        buffer.writeString(name)
        buffer.writeStaticString(self.lineEnd)
        for argument in arguments {
            self.header("$", argument.count, into: &buffer)
            switch argument.storage {
            case .text(let text): buffer.writeString(text)
            case .bytes(let bytes): buffer.writeImmutableBuffer(bytes)
            }
            buffer.writeStaticString(self.lineEnd)
        }
        return buffer
    }

    private static func header(_ mark: StaticString, _ count: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(mark)
        buffer.writeString(String(count))
        buffer.writeStaticString(self.lineEnd)
    }
}
