// SPDX-License-Identifier: Apache-2.0
import Foundation
public import Logging
import Sluice

/// Writes one line for each event, for people (`text`) or for programs (`json`).
public struct StructuredLogHandler: LogHandler {
    /// How a line is written.
    public enum Format: String, Sendable, CaseIterable {
        /// `2026-11-21T10:00:00.123Z warning retry.scheduled attempt=1 operation=4k2…`
        case text
        /// One JSON object, its metadata in `metadata`.
        case json
    }

    /// Where lines go, each complete with its line feed.
    public typealias Sink = @Sendable (String) -> Void

    /// What every line carries.
    public var metadata: Logger.Metadata = [:]
    /// The least severe level that is written.
    public var logLevel: Logger.Level
    /// What is asked for more metadata at each line.
    public var metadataProvider: Logger.MetadataProvider?
    private static let timeFormat = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    private let label: String
    private let format: Format
    private let sink: Sink

    /// Creates a handler.
    ///
    /// - Parameters:
    ///   - label: The logger's name.
    ///   - level: The least severe level that is written.
    ///   - format: How a line is written.
    ///   - sink: Where lines go; standard error by default.
    public init(
        label: String, level: Logger.Level, format: Format, sink: @escaping Sink = StructuredLogHandler.standardError
    ) {
        self.label = label
        self.metadataProvider = Self.operationProvider
        self.logLevel = level
        self.format = format
        self.sink = sink
    }

    /// Writes to standard error, in one call, so that lines of several threads do not mix.
    @Sendable
    public static func standardError(_ line: String) {
        FileHandle.standardError.write(Data(line.utf8))
    }

    /// Adds the id of the operation that the line is written in, so that one `grep` shows a request through every layer.
    public static let operationProvider = Logger.MetadataProvider {
        OperationContext.current.map { ["operation": "\($0.id)"] } ?? [:]
    }

    /// One value of the metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    /// Writes an event.
    public func log(event: LogEvent) {
        var metadata = self.metadata
        metadata.merge(self.metadataProvider?.get() ?? [:]) { _, new in new }
        metadata.merge(event.metadata ?? [:]) { _, new in new }
        if let error = event.error { metadata["error"] = "\(error)" }
        let time = Date().formatted(Self.timeFormat)
        switch self.format {
        case .text: self.sink(Self.textLine(time, event, metadata))
        case .json: self.sink(self.jsonLine(time, event, metadata))
        }
    }

    private static func textLine(_ time: String, _ event: LogEvent, _ metadata: Logger.Metadata) -> String {
        let message = "\(event.message)".split(whereSeparator: \.isNewline).joined(separator: " ")
        let pairs = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.oneLine("\($0.value)"))" }
        return "\(time) \(event.level) \(message)\(pairs.joined())\n"
    }

    private func jsonLine(_ time: String, _ event: LogEvent, _ metadata: Logger.Metadata) -> String {
        let line = Line(
            time: time, level: event.level.rawValue, logger: self.label, message: "\(event.message)",
            metadata: metadata.mapValues { "\($0)" })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings alone cannot fail to encode.
        let data = (try? encoder.encode(line)) ?? Data()
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    private struct Line: Encodable {
        let time: String
        let level: String
        let logger: String
        let message: String
        let metadata: [String: String]
    }

    /// Keeps what was logged from forging a line of its own.
    private static func oneLine(_ text: String) -> String {
        guard text.contains(where: { $0.isNewline || $0 == " " || $0 == "\"" }) else { return text }
        return text.debugDescription
    }
}
