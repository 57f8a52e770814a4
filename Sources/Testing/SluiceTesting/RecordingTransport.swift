// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import HTTPTypes
import NIOCore
public import SluiceHTTP
import Synchronization

/// Exchanges in a file: recorded once against the real service, played back ever after without it.
///
/// Fields and bodies of requests do not get into the file, unless bodies are asked for; the values of an answer's fields that carry
/// credentials are replaced, as are those of the query's parameters that are named. An answer's body is kept as it is: where it may
/// repeat a secret, as some services do with the whole request, ``HTTPRedaction/body`` has to take it out.
public struct HTTPRecording: Sendable, Codable, Hashable {
    /// One request and its answer.
    public struct Exchange: Sendable, Codable, Hashable {
        /// The method.
        public var method: String
        /// The URL.
        public var url: String
        /// What the request carried, in base 64; nil if it had no body, or bodies are not compared.
        public var requestBody: Data?
        /// The status.
        public var status: Int
        /// The answer's fields, as name and value.
        public var fields: [[String]]
        /// The answer's body, in base 64.
        public var body: Data
    }

    /// The exchanges in order.
    public var exchanges: [Exchange] = []

    /// Creates an empty recording.
    public init() {}

    /// Reads a recording.
    public init(contentsOf file: URL) throws {
        self = try JSONDecoder().decode(HTTPRecording.self, from: try Data(contentsOf: file))
    }

    /// Writes the recording, the same one always as the same bytes.
    public func write(to file: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(self).write(to: file, options: .atomic)
    }
}

/// What is kept out of a recording.
public struct HTTPRedaction: Sendable {
    /// What stands in place of a secret.
    public static let mark = "REDACTED"

    /// Fields of answers whose values are replaced.
    public var fields: Set<HTTPField.Name>
    /// Parameters of the query whose values are replaced.
    public var parameters: Set<String>
    /// Whether request bodies are kept, and compared on playing back.
    public var keepsRequestBodies: Bool
    /// Changes an answer's body before it is kept.
    public var body: @Sendable (Data) -> Data

    /// Creates a redaction; fields of requests are never kept.
    public init(
        fields: Set<HTTPField.Name> = [.setCookie, .authorization, .wwwAuthenticate, .proxyAuthenticate],
        parameters: Set<String> = ["api_key", "apikey", "key", "token", "access_token", "signature", "sig", "code"],
        keepsRequestBodies: Bool = false, body: @escaping @Sendable (Data) -> Data = { $0 }
    ) {
        self.fields = fields
        self.parameters = parameters
        self.keepsRequestBodies = keepsRequestBodies
        self.body = body
    }

    func url(of request: HTTPRequest) -> String {
        let text = "\(request.scheme ?? "")://\(request.authority ?? "")\(request.path ?? "/")"
        guard let start = text.firstIndex(of: "?") else { return text }
        let query = text[text.index(after: start)...].split(separator: "&", omittingEmptySubsequences: false).map {
            pair in
            let name = pair.prefix { $0 != "=" }
            return self.parameters.contains(name.lowercased()) ? "\(name)=\(Self.mark)" : String(pair)
        }
        return text[...start] + query.joined(separator: "&")
    }
}

/// Sends requests on and records them.
public final class RecordingTransport: HTTPTransport {
    private let base: any HTTPTransport
    private let redaction: HTTPRedaction
    private let recorded = Mutex(HTTPRecording())

    /// Creates a recorder around a transport.
    public init(_ base: any HTTPTransport, redaction: HTTPRedaction = HTTPRedaction()) {
        self.base = base
        self.redaction = redaction
    }

    /// What was recorded so far.
    public var recording: HTTPRecording { self.recorded.withLock { $0 } }

    /// Sends a request; its answer is read whole, up to 64 MiB.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        let response = try await self.base.send(request, body: body)
        let bytes = try await response.collect(upTo: 64 << 20)
        let redaction = self.redaction
        let kept = redaction.body(Data(bytes.readableBytesView))
        let exchange = HTTPRecording.Exchange(
            method: request.method.rawValue, url: redaction.url(of: request),
            requestBody: redaction.keepsRequestBodies ? body?.bytes.map { Data($0.readableBytesView) } : nil,
            status: response.head.status.code,
            fields: response.head.headerFields.map { field in
                // The length of what is played back, and of nothing for HEAD.
                if field.name == .contentLength, kept.count != bytes.readableBytes {
                    return [field.name.rawName, "\(kept.count)"]
                }
                return [field.name.rawName, redaction.fields.contains(field.name) ? HTTPRedaction.mark : field.value]
            },
            body: kept)
        self.recorded.withLock { $0.exchanges.append(exchange) }
        return HTTPTransportResponse(head: response.head, bytes: bytes)
    }

    /// Closes the transport that is recorded.
    public func close() async { await self.base.close() }
}

/// Answers from a recording: each exchange once, those of one method and URL in their order.
public final class ReplayingTransport: HTTPTransport {
    /// A request that the recording has no answer for, or no more.
    public struct NotRecordedError: Error, CustomStringConvertible {
        /// What was asked for.
        public let description: String
    }

    private let left: Mutex<[HTTPRecording.Exchange]>
    private let redaction: HTTPRedaction

    /// Creates a transport that plays a recording back; with the redaction that it was recorded with.
    public init(_ recording: HTTPRecording, redaction: HTTPRedaction = HTTPRedaction()) {
        self.left = Mutex(recording.exchanges)
        self.redaction = redaction
    }

    /// The exchanges that nobody has asked for.
    public var remaining: [HTTPRecording.Exchange] { self.left.withLock { $0 } }

    /// Answers a request.
    ///
    /// - Throws: ``NotRecordedError``.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        let url = self.redaction.url(of: request)
        let sent = self.redaction.keepsRequestBodies ? body?.bytes.map { Data($0.readableBytesView) } : nil
        let exchange = self.left.withLock { left -> HTTPRecording.Exchange? in
            let index = left.firstIndex {
                $0.method == request.method.rawValue && $0.url == url && $0.requestBody == sent
            }
            return index.map { left.remove(at: $0) }
        }
        guard let exchange else {
            throw NotRecordedError(description: "the recording has no (further) answer to \(request.method) \(url)")
        }
        var head = HTTPResponse(status: .init(code: exchange.status))
        for field in exchange.fields where field.count == 2 {
            if let name = HTTPField.Name(field[0]) { head.headerFields.append(HTTPField(name: name, value: field[1])) }
        }
        return HTTPTransportResponse(head: head, bytes: ByteBuffer(bytes: exchange.body))
    }

    /// Does nothing.
    public func close() async {}
}
