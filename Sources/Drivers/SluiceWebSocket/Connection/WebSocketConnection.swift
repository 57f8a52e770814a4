// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore
import Synchronization

/// One WebSocket connection, the same on both sides.
///
/// ```swift
/// try await connection.send("hello")
/// while let message = try await connection.receive() { … }
/// await connection.close()
/// ```
///
/// Messages are received in order from a bounded queue; when it is full, reading from the socket stops until the application has
/// caught up. Pings are answered, and the peer's silence is noticed, beside that queue. A connection that nobody holds any more is
/// cut.
///
/// - Source: RFC 6455, RFC 7692. WebSocket over HTTP/2 (RFC 8441) is not implemented.
public final class WebSocketConnection: Sendable {
    /// The subprotocol that both sides agreed on.
    public let subprotocol: String?
    /// Whether messages may be compressed.
    public let isCompressed: Bool
    /// The headers of the server's answer, on the client's side, or of the client's request, on the server's; without those of the
    /// handshake itself.
    public let headers: HTTPFields
    let state: ConnectionState
    let channel: any Channel
    let handler: NIOLoopBound<WebSocketHandler>

    /// Called on the channel's event loop, where the handler was added to the pipeline.
    init(channel: any Channel, handler: WebSocketHandler, agreed: Agreement, headers: HTTPFields) {
        self.channel = channel
        self.state = handler.state
        self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        self.subprotocol = agreed.subprotocol
        self.isCompressed = agreed.compression != nil
        self.headers = headers
    }

    deinit { self.cut() }

    /// What it has done so far.
    public var statistics: WebSocketStatistics { self.state.statistics }
    /// How it ended; nil as long as messages may come.
    public var closure: WebSocketClosure? { self.state.closure }
    /// The peer's address.
    public var remoteAddress: SocketAddress? { self.channel.remoteAddress }

    // MARK: Receiving

    /// The next message, once it is there.
    ///
    /// - Returns: Nil once the connection has been closed in good order: by us, or by the peer with 1000, 1001 or no code.
    /// - Throws: ``WebSocketError`` if it ended in another way; `CancellationError` if the task is cancelled, and then no message is
    ///   lost.
    public func receive() async throws -> WebSocketMessage? {
        try Task.checkCancellation()
        let (early, mustTell) = self.state.take()
        if mustTell { self.goOn() }
        let received: ConnectionState.Received
        if let early {
            received = early
        } else {
            received = await self.state.waitForMessage { self.goOn() }
        }
        switch received {
        case .message(let message): return message
        case .end(.orderly): return nil
        case .end(.failed(let error)): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// The messages to come, ending as ``receive()`` does.
    public var messages: Messages { Messages(connection: self) }

    /// The messages of a connection; several of them share what comes.
    public struct Messages: AsyncSequence, Sendable {
        let connection: WebSocketConnection

        /// Receives one message after the other.
        public struct Iterator: AsyncIteratorProtocol {
            let connection: WebSocketConnection

            /// The next message; see ``WebSocketConnection/receive()``.
            public mutating func next() async throws -> WebSocketMessage? { try await self.connection.receive() }
        }

        /// Begins to receive.
        public func makeAsyncIterator() -> Iterator { Iterator(connection: self.connection) }
    }

    private func goOn() {
        if self.channel.eventLoop.inEventLoop { return self.handler.value.goOn() }
        let handler = self.handler
        self.channel.eventLoop.execute { handler.value.goOn() }
    }

    // MARK: Sending

    /// Sends text.
    ///
    /// Returns once it has been handed to the system, or lies in a buffer of at most 64 KiB before it; while the peer takes nothing
    /// it waits.
    ///
    /// - Throws: ``WebSocketError`` if the connection is closed; `CancellationError` if the task is cancelled, the message then sent
    ///   whole or not at all.
    public func send(_ text: String) async throws { try await self.send(.text(text)) }

    /// Sends bytes; see ``send(_:)-(String)``.
    public func send(_ bytes: ByteBuffer) async throws { try await self.send(.binary(bytes)) }

    /// Sends a message; see ``send(_:)-(String)``.
    public func send(_ message: WebSocketMessage) async throws {
        while true {
            try Task.checkCancellation()
            switch self.post(message) {
            case .taken(_, hasRoom: true): return
            case .taken(_, hasRoom: false): return try await self.waitForRoom()
            case .refused(let error): throw error
            case .busy: if case .cancelled = await self.state.waitForTurn() { throw CancellationError() }
            }
        }
    }

    private func post(_ message: WebSocketMessage) -> ConnectionState.Posted {
        if self.channel.eventLoop.inEventLoop { return self.handler.value.send(message) }
        return self.woken(self.state.post(.message(message)))
    }

    private func woken(_ posted: ConnectionState.Posted) -> ConnectionState.Posted {
        if case .taken(mustWake: true, _) = posted {
            let handler = self.handler
            self.channel.eventLoop.execute { handler.value.drain() }
        }
        return posted
    }

    private func waitForRoom() async throws {
        if case .cancelled = await self.state.waitForRoom() { throw CancellationError() }
        // Gone while its message waited.
        if let error = self.state.state.withLock({ $0.isGone ? $0.closedError : nil }) { throw error }
    }

    /// Sends one message in fragments, each as it comes; other messages wait until it has ended.
    ///
    /// - Parameters:
    ///   - fragments: The message's bytes in pieces.
    ///   - isText: Whether they are the UTF-8 bytes of a text, which may be cut anywhere.
    /// - Throws: As ``send(_:)-(String)``, and what `fragments` throws. A message that was begun cannot be taken back, so the
    ///   connection is then closed with 1011.
    public func send<Fragments: AsyncSequence>(
        fragments: Fragments, isText: Bool = false
    ) async throws where Fragments.Element == ByteBuffer {
        beginning: while true {
            try Task.checkCancellation()
            switch self.state.beginStream() {
            case .taken: break beginning
            case .refused(let error): throw error
            case .busy: if case .cancelled = await self.state.waitForTurn() { throw CancellationError() }
            }
        }
        defer { self.state.endStream() }
        do {
            for try await fragment in fragments { try await self.sendFragment(fragment, isText, isLast: false) }
            try await self.sendFragment(ByteBuffer(), isText, isLast: true)
        } catch {
            _ = self.woken(self.state.post(.close(.internalError, "a message was broken off")))
            throw error
        }
    }

    private func sendFragment(_ bytes: ByteBuffer, _ isText: Bool, isLast: Bool) async throws {
        try Task.checkCancellation()
        let posted = self.state.post(.fragment(isText: isText, bytes, isLast: isLast), isOfStream: true)
        switch self.woken(posted) {
        case .taken(_, hasRoom: false): try await self.waitForRoom()
        case .refused(let error): throw error
        case .taken, .busy: break
        }
    }

    // MARK: Pings and the end

    /// Pings the peer and waits for its pong, for as long as the task is not cancelled.
    ///
    /// - Returns: The time it took.
    /// - Throws: ``WebSocketError`` if the connection ends before; `CancellationError`.
    @discardableResult
    public func ping() async throws -> Duration {
        try Task.checkCancellation()
        let number = self.state.numberPing()
        let turn = await self.state.waitForPong(number) { _ = self.woken(self.state.post(.ping(number: number))) }
        if case .cancelled = turn { throw CancellationError() }
        return try self.state.state.withLock { state in
            if state.isGone { throw state.closedError }
            return state.statistics.latency ?? .zero
        }
    }

    /// Closes the connection, and returns when it is gone.
    ///
    /// The peer has ``WebSocketConfiguration/closeTimeout`` to answer before the connection is cut; if the task is cancelled it is
    /// cut at once. Messages that come in the meantime are dropped, those already queued can still be received. It may be called
    /// again.
    ///
    /// - Parameters:
    ///   - code: One that may be sent: see ``WebSocketCloseCode/isSendable``.
    ///   - reason: For the peer; as much of it as fits into 123 bytes.
    public func close(_ code: WebSocketCloseCode = .normal, reason: String = "") async {
        precondition(code.isSendable, "close code \(code) must not be sent")
        _ = self.woken(self.state.post(.close(code, reason)))
        if case .cancelled = await self.state.waitForEnd() {
            self.cut()
            // Not `waitForEnd` again, which would return at once.
            _ = try? await self.channel.closeFuture.get()
        }
    }

    /// Ends the connection without a close frame.
    public func cut() {
        let handler = self.handler
        self.channel.eventLoop.execute { handler.value.cut() }
    }

    /// Runs `body` where `placement` says, and closes the connection after it.
    ///
    /// With 1000 if it returned, with 1011 if it threw.
    package func serve<Value>(
        _ placement: WebSocketPlacement, _ body: (WebSocketConnection) async throws -> Value
    ) async throws -> Value {
        do {
            let value = try await placed(placement, on: self.channel.eventLoop) { try await body(self) }
            await self.close()
            return value
        } catch {
            await self.close(error is CancellationError ? .goingAway : .internalError)
            throw error
        }
    }
}

/// What both sides of a handshake agreed on.
package struct Agreement: Sendable, Equatable {
    package var subprotocol: String?
    package var compression: AgreedCompression?
}
