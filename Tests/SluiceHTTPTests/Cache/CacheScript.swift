// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import SluiceHTTP
import SluiceTesting
import Testing

/// Requests through a cache, one a line, with what the origin would answer and what must come of it.
///
/// ```text
/// GET / | < Cache-Control: max-age=60 | = origin
/// +59 GET / | = cache | = Age: 59
/// ```
///
/// A line is a wait in seconds, a method and a path, and then, between bars: `>` a field of the request; `<` a status,
/// a field or
/// `body TEXT` of the origin's answer, `no Date` for one without a date, `lost` for no answer; `=` what is expected:
/// `cache` (the origin heard nothing), `origin` (it answered), `confirmed` (it said 304, the caller got the body it
/// knew), a status, a
/// field, `no Field`, `body TEXT`, `empty`, `failure`, or after `asked` a field that the origin saw. `<N>` in a field
/// is the date N seconds from
/// now. The origin's answer is 200 with the body `body LINE` unless a line says otherwise.
struct CacheScript: Sendable, CustomTestStringConvertible {
    let title: String
    let isShared: Bool
    let lines: [Substring]

    init(_ title: String, shared: Bool = false, _ text: String) {
        self.title = title
        self.isShared = shared
        self.lines = text.split(separator: "\n")
    }

    var testDescription: String { self.title }

    /// 2030-01-01T00:00:00Z.
    static let start: Int64 = 1_893_456_000_000

    func run(_ settings: HTTPCacheSettings? = nil, store: any HTTPCacheStore = MemoryHTTPCacheStore()) async throws {
        let clock = Locked(Self.start)
        let cache = HTTPCache(
            settings ?? HTTPCacheSettings(isShared: self.isShared), store: store
        ) { WallTime(milliseconds: clock.withLock { $0 }) }
        for (index, text) in self.lines.enumerated() {
            let line = try Line(text, number: index + 1)
            clock.withLock { $0 += line.wait * 1_000 }
            try await line.run(cache, now: clock.withLock { $0 }, in: self)
        }
        await cache.close()
    }
}

extension CacheScript {
    struct Failure: Error {
        let description: String
    }

    /// One line, taken apart.
    struct Line {
        private let number: Int
        let wait: Int64
        private let method: HTTPRequest.Method
        private let path: String
        private var requestFields: [String] = []
        private var answers: [String] = []
        private var expectations: [String] = []

        init(_ text: Substring, number: Int) throws {
            self.number = number
            let parts = text.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            var words = parts[0].split(separator: " ")
            self.wait = words[0].hasPrefix("+") ? Int64(words.removeFirst().dropFirst()) ?? 0 : 0
            guard words.count == 2, let method = HTTPRequest.Method(String(words[0])) else {
                throw Failure(description: "not a request: \(text)")
            }
            self.method = method
            self.path = String(words[1])
            for part in parts.dropFirst() {
                let content = part.dropFirst().trimmingCharacters(in: .whitespaces)
                switch part.first {
                case ">": self.requestFields.append(content)
                case "<": self.answers.append(content)
                case "=": self.expectations.append(content)
                default: throw Failure(description: "not a part of a line: \(part)")
                }
            }
        }

        func run(_ cache: HTTPCache, now: Int64, in script: CacheScript) async throws {
            var request = HTTPRequest(method: self.method, scheme: "http", authority: "origin.example", path: self.path)
            for text in self.requestFields { try Self.add(text, to: &request.headerFields, now) }
            let seen = Locked<[HTTPRequest]>([])
            let answer = try self.answer(now)
            let isLost = self.answers.contains("lost")
            let body: HTTPBody? = self.method == .post || self.method == .put ? .bytes(ByteBuffer(string: "x")) : nil
            do {
                let response = try await cache.intercept(request, body: body) { request, _ in
                    seen.withLock { $0.append(request) }
                    if isLost { throw APIClientError(.connectionLost, message: "lost") }
                    let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
                        if !answer.body.isEmpty { stream.yield(ByteBuffer(string: answer.body)) }
                        stream.finish()
                    }
                    return HTTPTransportResponse(head: answer.head, body: parts)
                }
                var text = ""
                for try await part in response.body { text += String(buffer: part) }
                try self.check(response.head, text, seen.withLock { $0 }, now, script)
            } catch let error as APIClientError {
                #expect(self.expectations.contains("failure"), "\(error), line \(self.number) of \(script.title)")
            }
        }

        private func answer(_ now: Int64) throws -> (head: HTTPResponse, body: String) {
            var head = HTTPResponse(status: .ok)
            var body = self.method == .head ? "" : "body \(self.number)"
            if !self.answers.contains(where: { $0.hasPrefix("no Date") || $0.hasPrefix("Date:") }) {
                try Self.add("Date: <0>", to: &head.headerFields, now)
            }
            for text in self.answers where text != "lost" && text != "no Date" {
                if let status = Int(text) {
                    head.status = .init(code: status)
                    if status == 304 || status == 204 { body = "" }
                } else if text.hasPrefix("body ") {
                    body = String(text.dropFirst(5))
                } else {
                    try Self.add(text, to: &head.headerFields, now)
                }
            }
            return (head, body)
        }

        private func check(
            _ head: HTTPResponse, _ body: String, _ seen: [HTTPRequest], _ now: Int64, _ script: CacheScript
        ) throws {
            for expectation in self.expectations {
                let place = "`\(expectation)`, line \(self.number) of \(script.title): \(head.status.code) \(body)"
                switch expectation {
                case "cache": #expect(seen.isEmpty, "\(place)")
                case "origin": #expect(seen.count == 1, "\(place)")
                case "empty": #expect(body.isEmpty, "\(place)")
                case "failure": Issue.record("\(place)")
                case "confirmed":
                    let fields = seen.first?.headerFields ?? [:]
                    #expect(fields.contains(.ifNoneMatch) || fields.contains(.ifModifiedSince), "\(place)")
                    #expect(head.status == .ok && body != "body \(self.number)", "\(place)")
                case let text where Int(text) != nil: #expect(head.status.code == Int(text), "\(place)")
                case let text where text.hasPrefix("body "): #expect(body == text.dropFirst(5), "\(place)")
                case let text where text.hasPrefix("asked "):
                    try self.checkField(
                        String(text.dropFirst(6)), seen.last?.headerFields ?? [:], now, "\(place), asked \(seen)")
                default: try self.checkField(expectation, head.headerFields, now, "\(place), \(head.headerFields)")
                }
            }
        }

        private func checkField(_ text: String, _ fields: HTTPFields, _ now: Int64, _ place: String) throws {
            if text.hasPrefix("no ") {
                let name = try #require(HTTPField.Name(String(text.dropFirst(3))))
                #expect(fields[name] == nil, "\(place)")
                return
            }
            var expected = HTTPFields()
            try Self.add(text, to: &expected, now)
            for field in expected { #expect(fields[field.name] == field.value, "\(place)") }
        }

        private static func add(_ text: String, to fields: inout HTTPFields, _ now: Int64) throws {
            guard let colon = text.firstIndex(of: ":"), let name = HTTPField.Name(String(text[..<colon])) else {
                throw Failure(description: "not a field: \(text)")
            }
            var value = text[text.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            while let open = value.firstIndex(of: "<"), let close = value.firstIndex(of: ">"), open < close,
                let offset = Int64(value[value.index(after: open)..<close])
            {
                value.replaceSubrange(open...close, with: self.date(now / 1_000 + offset))
            }
            fields.append(HTTPField(name: name, value: value))
        }

        /// A date as HTTP writes it, by Foundation, so that ours is compared with another's.
        static func date(_ seconds: Int64) -> String {
            let format = DateFormatter()
            format.locale = Locale(identifier: "en_US_POSIX")
            format.timeZone = TimeZone(identifier: "GMT")
            format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
            return format.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
        }
    }
}
