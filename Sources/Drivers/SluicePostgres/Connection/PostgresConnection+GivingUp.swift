// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL
import Synchronization

// What becomes of statements that nobody waits for any more.
extension PostgresConnection {
    /// How long a statement that was given up may hold up a connection that others share.
    static let patience: Duration = .milliseconds(250)

    /// Stops waiting for an answer, which comes all the same.
    func abandon(_ request: PostgresRequest, _ reason: PostgresRequest.Abandonment) {
        let continuation = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
            guard !request.isDone, request.abandonment == nil else { return nil }
            request.abandonment = reason
            guard request.isSent else { return nil }
            // Somebody else's statement could be the one that is stopped; this one's answer is thrown away when it comes.
            if self.isShared.load(ordering: .relaxed) { return request.finish() }
            // Unstructured, since a cancellation handler cannot wait; whoever gave up waits for it before the connection is
            // used again. Detached, since the operation of whoever cancels may be at its end.
            request.stopping = Task.detached { await self.stopServer() }
            return nil
        }
        continuation?.resume()
    }

    /// Tells the server to stop what it is doing, and gives the connection up if telling it or its answer takes too long.
    ///
    /// - Returns: The alarm for the answer, to be called off once that is there.
    func stopServer() async -> TimerToken {
        let told = Suspension<Void>()
        let alarm = self.time.schedule(at: self.time.now.advanced(by: Self.grace)) {
            self.fail(.unanswered)
            told.settle(())
        }
        // Unstructured, since it is not waited for beyond that: libpq waits as long as it takes, which is for ever if the network is gone.
        Task.detached {
            await self.cancel.sendOnLane()
            told.settle(())
        }
        await told.value()
        return alarm
    }

    /// Waits until the server has been told to stop and has nothing left to stop: a request of its own takes what comes late.
    func settle(after stopping: Task<TimerToken, Never>) async {
        self.time.cancel(await stopping.value)
        let probe = PostgresRequest()
        try? await self.ask(isShielded: true, probe) { _ in self.sendPlain("SELECT 1") }
    }

    /// Waits for the answers that nobody waits for any more, but not for long.
    ///
    /// - Returns: Whether they all came.
    func waitForStrays() async -> Bool {
        let answered = Suspension<Bool>()
        let isFree = self.state.withLock { state in
            guard let last = state.requests.last(where: { $0.isDone }) else { return true }
            last.watchers.append(answered)
            return false
        }
        if isFree { return true }
        let alarm = self.time.schedule(at: self.time.now.advanced(by: Self.patience)) { answered.settle(false) }
        defer { self.time.cancel(alarm) }
        return await answered.value()
    }

    // MARK: Closing

    /// Closes the connection and returns when the server has closed it too, or five seconds later: until then it counts there.
    ///
    /// Not ended by cancellation, since nobody else would do it.
    func close() async {
        self.fail(.notSent)
        guard self.isClosed.exchange(true, ordering: .acquiringAndReleasing) == false else { return }
        await withCheckedContinuation { continuation in self.unwatch { continuation.resume() } }
        let closed = Suspension<Void>()
        let alarm = self.time.schedule(at: self.time.now.advanced(by: .seconds(5))) { closed.settle(()) }
        let finish: @Sendable () -> Void = {
            self.finish()
            closed.settle(())
        }
        // A thread of its own: those that all share may be held up by what is being closed.
        if DedicatedThread.start(finish) != 0 { finish() }
        await closed.value()
        self.time.cancel(alarm)
    }

    private func finish() {
        let leftBehind = self.state.withLock { $0.leftBehind }
        let socket = PostgresSocket.duplicate(PQsocket(self.handle))
        PQfinish(self.handle)
        PostgresSocket.shutDown(socket, .writing)
        // A server at work does not notice that nobody listens. One message stops one statement, and the next in line runs.
        for _ in 0..<leftBehind where !PostgresSocket.drain(socket, milliseconds: 100) { self.cancel.send() }
        _ = PostgresSocket.drain(socket, milliseconds: 5_000)
        PostgresSocket.discard(socket)
    }
}
