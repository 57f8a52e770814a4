// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// One event of a stream that a server pushes.
///
/// - Source: WHATWG HTML, "Server-sent events".
public struct ServerSentEvent: Sendable, Hashable {
    /// What it is called; `message` if the server does not say.
    public let event: String
    /// Its data: the lines of `data:` joined by line feeds.
    public let data: String
    /// The last id that the server has set, on this event or an earlier one; empty if none.
    public let id: String

    /// Creates an event.
    public init(event: String = "message", data: String, id: String = "") {
        self.event = event
        self.data = data
        self.id = id
    }
}

/// Puts events together from lines; no clock, no I/O.
struct ServerSentEventParser {
    private let maximumBytes: Int
    private var event = ""
    private var data = ""
    private var size = 0
    private var hasData = false
    private var isFirstLine = true
    /// The id to name when connecting anew.
    private(set) var lastID: String
    /// How long the server asks to wait before connecting anew.
    private(set) var retry: Duration?

    init(maximumBytes: Int, lastID: String = "") {
        self.maximumBytes = maximumBytes
        self.lastID = lastID
    }

    /// Takes a line without its end in.
    ///
    /// - Returns: The event that an empty line completes, if it has data.
    /// - Throws: ``APIClientError`` of kind `bodyTooLarge` if the event's data is larger than allowed.
    mutating func take(_ line: ByteBuffer) throws(APIClientError) -> ServerSentEvent? {
        var line = line
        if self.isFirstLine {
            self.isFirstLine = false
            // One byte-order mark may stand before everything.
            if line.readableBytesView.starts(with: [0xEF, 0xBB, 0xBF]) { line.moveReaderIndex(forwardBy: 3) }
        }
        guard line.readableBytes > 0 else { return self.dispatch() }
        let bytes = line.readableBytesView
        let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        if colon == bytes.startIndex { return nil }
        let name = bytes[..<(colon ?? bytes.endIndex)]
        var value = colon.map { bytes[($0 + 1)...] } ?? bytes[bytes.endIndex...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if name.elementsEqual("data".utf8) {
            self.size += value.count + 1
            guard self.size - 1 <= self.maximumBytes else {
                throw APIClientError(.bodyTooLarge, message: "an event is larger than \(self.maximumBytes) bytes")
            }
            if self.hasData { self.data += "\n" }
            self.data += String(decoding: value, as: UTF8.self)
            self.hasData = true
        } else if name.elementsEqual("event".utf8) {
            self.event = String(decoding: value, as: UTF8.self)
        } else if name.elementsEqual("id".utf8) {
            if !value.contains(0) { self.lastID = String(decoding: value, as: UTF8.self) }
        } else if name.elementsEqual("retry".utf8) {
            if !value.isEmpty, value.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) {
                // A day is longer than anybody means.
                let milliseconds = Int64(String(decoding: value, as: UTF8.self)) ?? Int64.max
                self.retry = .milliseconds(min(milliseconds, 86_400_000))
            }
        }
        return nil
    }

    private mutating func dispatch() -> ServerSentEvent? {
        defer { (self.event, self.data, self.size, self.hasData) = ("", "", 0, false) }
        guard self.hasData else { return nil }
        return ServerSentEvent(event: self.event.isEmpty ? "message" : self.event, data: self.data, id: self.lastID)
    }
}
