// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import NIOCore
import Sluice
import SluiceSQL

/// Keeps ready answers to GET requests until the database changes.
///
/// An answer is kept together with the version of the data from before it was computed, and used only as long as that is the
/// version; so a commit, here or in another process, retires every answer at once (see ``DatabaseVersions``). Answers carry an
/// `ETag`, and a client that has them already gets 304.
final class ResponseCache: Sendable {
    /// An answer ready to be sent.
    struct Entry: Sendable {
        let version: DatabaseVersion
        let fields: HTTPFields
        let body: ByteBuffer
        /// The route, for metrics.
        let route: String?

        func response(to request: Request) -> Response {
            if let known = request.headers[.ifNoneMatch], known == self.fields[.eTag] {
                var fields = self.fields
                fields[.contentType] = nil
                fields[.contentLength] = nil
                return Response(status: .notModified, headers: fields)
            }
            return Response(status: .ok, headers: self.fields, body: ResponseBody(byteBuffer: self.body))
        }
    }

    /// Longer URLs are answered and not kept.
    private static let maximumKeyBytes = 1_024

    private let entries: MemoryCache<String, Entry>
    private let paths: Set<String>
    private let database: Database

    init(maximumBytes: Int, paths: Set<String>, database: Database) {
        self.entries = MemoryCache(maximumCost: maximumBytes)
        self.paths = paths
        self.database = database
    }

    /// The key of a request whose answer may be kept, or nil.
    func key(_ request: Request) -> String? {
        guard request.method == .get, let path = request.head.path, path.utf8.count <= Self.maximumKeyBytes else {
            return nil
        }
        let end = path.utf8.firstIndex(of: UInt8(ascii: "?")) ?? path.endIndex
        return self.paths.contains(String(path[..<end])) ? path : nil
    }

    func entry(for key: String, at version: DatabaseVersion) -> Entry? {
        guard let entry = self.entries.value(for: key), entry.version == version else { return nil }
        return entry
    }

    /// What the data is at, or nil if the database does not say; then nothing is kept and the route reports the failure.
    func version() async -> DatabaseVersion? {
        try? await self.database.version()
    }

    /// Keeps an answer and returns it as it is to be sent, with its `ETag`.
    func keep(_ response: Response, for key: String, at version: DatabaseVersion, route: String?) async -> Entry? {
        // A body without a length is a stream, and a stream is not kept.
        guard response.status == .ok, response.body.contentLength != nil else { return nil }
        let collected = CollectedBody()
        guard (try? await response.body.write(CollectingWriter(collected: collected))) != nil else { return nil }
        let body = collected.bytes
        var fields = response.headers
        fields[.eTag] = "\"\(Self.digest(body))\""
        fields[.cacheControl] = "no-cache"
        let entry = Entry(version: version, fields: fields, body: body, route: route)
        // 512 bytes for the fields, the key and the bookkeeping.
        self.entries.insert(entry, for: key, cost: body.readableBytes + key.utf8.count + 512)
        return entry
    }

    /// FNV-1a, 64 bits: tells answers of one URL apart, which is all an `ETag` has to.
    private static func digest(_ body: ByteBuffer) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in body.readableBytesView { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return String(hash, radix: 16)
    }
}

/// Where a ``CollectingWriter``, which is consumed by finishing, leaves what it was given.
private final class CollectedBody {
    var bytes = ByteBuffer()
}

/// Writes a response's body into memory.
private struct CollectingWriter: ResponseBodyWriter {
    let collected: CollectedBody

    mutating func write(_ buffer: ByteBuffer) async throws {
        self.collected.bytes.writeImmutableBuffer(buffer)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
