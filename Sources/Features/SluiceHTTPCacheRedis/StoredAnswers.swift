// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import SluiceHTTP

/// The answers under one key as the fields of a hash hold them.
///
/// ```text
/// 32 bytes   the mark of the URI that the answer came from
///  4 bytes   the length of its head, the highest byte first
///            its head, as JSON
///            its body
/// ```
struct StoredAnswers {
    struct Answer {
        let mark: ByteBuffer
        let entry: HTTPCacheEntry
    }

    static let markLength = 32

    /// What could be read, the newest first.
    let answers: [Answer]

    /// - Parameter fields: The hash's; what cannot be read, or is not in the order, counts as none.
    init(_ fields: [String: ByteBuffer]) {
        let order = fields["order"].map { String(buffer: $0) } ?? ""
        self.answers = order.split(separator: " ").reversed().compactMap { item in
            fields[String(item.prefix { $0 != ":" })].flatMap(Self.decoded)
        }
    }

    private static func decoded(_ bytes: ByteBuffer) -> Answer? {
        var bytes = bytes
        guard let mark = bytes.readSlice(length: Self.markLength), let length = bytes.readInteger(as: UInt32.self),
            let head = bytes.readBytes(length: Int(length)),
            let entry = try? HTTPCacheEntry(encodedHead: Data(head), body: bytes.slice())
        else { return nil }
        return Answer(mark: mark, entry: entry)
    }

    /// An answer but for its mark, which the server puts before it; nil if that takes more than `limit` bytes.
    static func encoded(_ entry: HTTPCacheEntry, upTo limit: Int) throws -> ByteBuffer? {
        let head = try entry.encodedHead()
        let length = 4 + head.count + entry.body.readableBytes
        guard length <= limit else { return nil }
        var bytes = ByteBufferAllocator().buffer(capacity: length)
        bytes.writeInteger(UInt32(head.count))
        bytes.writeBytes(head)
        bytes.writeImmutableBuffer(entry.body)
        return bytes
    }

    /// A mark that no URI has had before.
    static func newMark() -> String {
        let parts = (0..<4).map { _ in String(UInt32.random(in: .min ... .max), radix: 16) }
        return parts.map { String(repeating: "0", count: 8 - $0.count) + $0 }.joined()
    }
}
