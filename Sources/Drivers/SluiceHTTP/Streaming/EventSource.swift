// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice

/// How a stream of events goes on when its connection ends.
public struct EventReconnection: Sendable, Hashable {
    /// How often in a row it is connected anew without an event coming; 0 never does.
    public var maximumAttempts: Int
    /// The first wait, unless the server names one; it doubles with every connection that brings nothing.
    public var delay: Duration
    /// The longest wait.
    public var maximumDelay: Duration

    /// Creates a reconnection.
    public init(maximumAttempts: Int = 10, delay: Duration = .seconds(3), maximumDelay: Duration = .seconds(60)) {
        self.maximumAttempts = maximumAttempts
        self.delay = delay
        self.maximumDelay = maximumDelay
    }

    /// Ends with the connection.
    public static let never = EventReconnection(maximumAttempts: 0)
}

/// A stream of server-sent events that connects anew when its connection ends, and tells the server what it saw last.
///
/// Each iterator has a connection of its own. It ends when the server answers 204, or when nothing is to be connected any more;
/// with an error for an answer that is no event stream, and for one that would be the same again.
public struct EventSource: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = ServerSentEvent

    let client: APIClient
    let request: APIRequest
    let reconnection: EventReconnection
    let maximumEventBytes: Int

    /// Connects, reads, and connects anew.
    public struct Iterator: AsyncIteratorProtocol {
        private let source: EventSource
        private var events: BodyEvents.Iterator?
        private var lastID = ""
        private var retry: Duration?
        /// Connections in a row that brought nothing.
        private var failures = 0
        private var isOver = false

        init(_ source: EventSource) {
            self.source = source
        }

        /// The next event.
        public mutating func next() async throws -> ServerSentEvent? {
            while !self.isOver {
                var shortest = Duration.zero
                do {
                    if self.events == nil { try await self.connect() }
                    if let event = try await self.events?.next() {
                        self.failures = 0
                        return event
                    }
                } catch let error as APIClientError where error.retryAdvice != .never {
                    guard self.failures < self.source.reconnection.maximumAttempts else { throw error }
                } catch let error as TimeoutError {
                    guard self.failures < self.source.reconnection.maximumAttempts else { throw error }
                } catch let error as RejectionError {
                    // The client's own breaker or limit: it says when there is a point in asking again.
                    guard self.failures < self.source.reconnection.maximumAttempts else { throw error }
                    shortest = error.retryAfter ?? .zero
                }
                try await self.pause(atLeast: shortest)
            }
            return nil
        }

        private mutating func connect() async throws {
            var request = self.source.request
            request.fields[.accept] = "text/event-stream"
            if request.fields[.cacheControl] == nil { request.fields[.cacheControl] = "no-store" }
            if !self.lastID.isEmpty { request.fields[.lastEventID] = self.lastID }
            let stream = try await self.source.client.stream(request)
            if stream.status == .noContent {
                self.isOver = true
                return
            }
            let type = stream.fields[.contentType]?.prefix { $0 != ";" }.trimmingSpaces.lowercased()
            guard type == "text/event-stream" else {
                throw APIClientError(.invalidResponse, message: "the answer is no event stream")
            }
            self.events = BodyEvents(
                body: stream.body, maximumBytes: self.source.maximumEventBytes, lastID: self.lastID
            ).makeAsyncIterator()
        }

        /// Waits before the next connection, or ends.
        private mutating func pause(atLeast shortest: Duration) async throws {
            if let parser = self.events?.parser {
                self.lastID = parser.lastID
                self.retry = parser.retry ?? self.retry
            }
            self.events = nil
            guard !self.isOver, self.failures < self.source.reconnection.maximumAttempts else {
                self.isOver = true
                return
            }
            let reconnection = self.source.reconnection
            let backoff = Backoff.exponential(from: self.retry ?? reconnection.delay)
                .capped(at: Swift.max(self.retry ?? .zero, reconnection.maximumDelay))
            self.failures += 1
            let time = self.source.client.time
            let wait = Swift.max(shortest, backoff.delay(beforeRetry: self.failures, fraction: 1) ?? .zero)
            try await time.sleep(until: time.now.advanced(by: wait))
        }
    }

    /// Begins with a connection of its own.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }
}

extension APIClient {
    /// A stream of server-sent events.
    ///
    /// - Parameters:
    ///   - request: What opens it, usually GET.
    ///   - reconnection: How it goes on when its connection ends.
    ///   - maximumEventBytes: The largest event; a larger one ends the stream with an error.
    public func events(
        _ request: APIRequest, reconnection: EventReconnection = .never,
        maximumEventBytes: Int = HTTPStream.defaultMaximumBytes
    ) -> EventSource {
        EventSource(
            client: self, request: request, reconnection: reconnection, maximumEventBytes: maximumEventBytes)
    }
}
