// SPDX-License-Identifier: Apache-2.0
import CPQ
import DequeModule
import Sluice
import SluiceSQL
import Synchronization

// On the reactor's thread.
extension PostgresConnection {
    func socketIsReady() {
        var done: [UnsafeContinuation<Void, Never>] = []
        var answered: [Suspension<Bool>] = []
        var notifications: [PostgresNotification] = []
        let lost = self.state.withLock { state -> SQLError? in
            guard state.failure == nil else { return nil }
            let isOpen = self.consume()
            let confusion = self.collect(&state, &done, &answered)
            while let notification = PQnotifies(self.handle) {
                notifications.append(PostgresNotification(notification))
                PQfreemem(notification)
            }
            return confusion ?? (isOpen ? self.flush(&state) : .lost(self.handle))
        }
        for continuation in done { continuation.resume() }
        for watcher in answered { watcher.settle(true) }
        if !notifications.isEmpty, let listener = self.listener.withLock({ $0 }) {
            for notification in notifications { listener(.success(notification)) }
        }
        if let lost { self.fail(lost) }
    }

    /// Ends everything under way, and lets nothing be sent any more.
    func fail(_ error: SQLError) {
        let waiting = self.state.withLock { state -> [(UnsafeContinuation<Void, Never>?, [Suspension<Bool>])] in
            state.failure = state.failure ?? error
            state.leftBehind += state.requests.count
            defer { state.requests = [] }
            return state.requests.map { ($0.finish(error), $0.watchers) }
        }
        // Nobody reads the socket any more, which would have the reactor told of it again and again.
        self.unwatch()
        for (continuation, watchers) in waiting {
            continuation?.resume()
            for watcher in watchers { watcher.settle(false) }
        }
        self.listener.withLock { $0 }?(.failure(error))
    }

    /// Reads what the socket has.
    ///
    /// Under TLS up to one record, of 16 KiB, can lie in the library's own buffer, where no socket tells of it, and libpq reads 8 KiB
    /// or more at a time: so until the socket is empty, and three times more.
    ///
    /// - Returns: False if the server has closed the connection.
    private func consume() -> Bool {
        guard PQconsumeInput(self.handle) == 1 else { return false }
        guard PQsslInUse(self.handle) == 1 else { return true }
        var left = 3
        while left > 0 {
            if !PostgresSocket.hasBytes(PQsocket(self.handle)) { left -= 1 }
            guard PQconsumeInput(self.handle) == 1 else { return false }
        }
        return true
    }

    private func collect(
        _ state: inout State, _ done: inout [UnsafeContinuation<Void, Never>], _ answered: inout [Suspension<Bool>]
    ) -> SQLError? {
        // Two commands' results are separated by a nil; more of them in a row than there are commands means that there is nothing.
        var nils = 0
        while let request = state.requests.first, PQisBusy(self.handle) == 0, nils < 8 {
            guard let result = PQgetResult(self.handle) else {
                nils += 1
                continue
            }
            nils = 0
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                PQclear(result)
                state.requests.removeFirst()
                answered += request.watchers
                if let continuation = request.finish() { done.append(continuation) }
            case PGRES_PIPELINE_ABORTED:
                PQclear(result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // libpq would give it again and again.
                PQclear(result)
                return .copyBegun
            default:
                if PQresultStatus(result) == PGRES_FATAL_ERROR, let statement = request.unprepared {
                    state.prepared.remove(statement)
                    request.hasRun = false
                }
                if request.isDone { PQclear(result) } else { request.append(result) }
                request.answerCount += 1
            }
        }
        return nil
    }

    /// Takes the socket from the reactor, and then calls `body`, on the reactor's thread or, once that has ended, here.
    ///
    /// Behind every earlier removal, even if it has none to do itself: the socket's number may only be given away after that.
    func unwatch(then body: @escaping @Sendable () -> Void = {}) {
        let token = self.state.withLock { state in
            defer { state.token = 0 }
            return state.token
        }
        guard token != 0 else { return self.reactor.call(body) }
        self.reactor.remove(token, socket: PQsocket(self.handle), then: body)
    }
}

extension SQLError {
    /// The server waits for rows, or sends them, and nobody has asked for that.
    fileprivate static let copyBegun = SQLError(.connection, message: "the server began a copy that was not asked for")
}
