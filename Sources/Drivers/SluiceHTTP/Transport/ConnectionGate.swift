// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Sluice
import Synchronization

/// Lets so many exchanges run at once, in all and for each origin; the rest wait in the order they came, for a while.
///
/// It stands before the connection pool, so that a request never waits within it: the pool cannot tell waiting for a connection
/// from making one, and its error does not say which it was.
final class ConnectionGate: Sendable {
    private enum Turn: Sendable {
        case mine
        case cancelled
        case tooLate
        /// The deadline of the waiter's operation has come.
        case atDeadline
    }

    private final class Waiter: Sendable {
        let number: UInt64
        let suspension = Suspension<Turn>()

        init(number: UInt64) {
            self.number = number
        }
    }

    private struct Origin {
        var running = 0
        var queue = Deque<Waiter>()
    }

    private struct State {
        var running = 0
        var waiting = 0
        var nextNumber: UInt64 = 0
        var origins: [String: Origin] = [:]
        /// Origins that carry many exchanges on one connection.
        var multiplexed: Set<String> = []
    }

    private let state = Mutex(State())
    private let settings: HTTPTransportSettings
    private let time: any TimeSource

    init(_ settings: HTTPTransportSettings, time: any TimeSource = SystemTime.shared) {
        self.settings = settings
        self.time = time
    }

    /// How many exchanges run.
    var running: Int { self.state.withLock { $0.running } }
    /// How many requests wait.
    var waiting: Int { self.state.withLock { $0.waiting } }

    /// An origin has answered by HTTP/2, so that its exchanges need no connection each, or by HTTP/1.1.
    func note(_ origin: String, isMultiplexed: Bool) {
        let origin = Self.key(origin)
        let turn = self.state.withLock { state -> [Waiter] in
            guard isMultiplexed else {
                state.multiplexed.remove(origin)
                return []
            }
            // A thousand origins are more than a client has, and each costs a string.
            guard state.multiplexed.count < 1_000, state.multiplexed.insert(origin).inserted else { return [] }
            return self.admit(&state)
        }
        for waiter in turn { waiter.suspension.settle(.mine) }
    }

    /// One form of an origin, as the pool has one for it too: without the port that is its scheme's own.
    private static func key(_ origin: String) -> String {
        let port = origin.hasPrefix("https:") ? ":443" : ":80"
        return origin.hasSuffix(port) ? String(origin.dropLast(port.utf8.count)) : origin
    }

    /// Takes a place.
    ///
    /// - Throws: ``APIClientError`` of kind `poolExhausted`; `DeadlineReached`; `CancellationError`.
    func enter(_ origin: String) async throws -> ConnectionPlace {
        let origin = Self.key(origin)
        let (waiter, isFull) = self.state.withLock { state -> (Waiter?, Bool) in
            var entry = state.origins[origin] ?? Origin()
            if entry.queue.isEmpty, self.hasRoom(origin, entry, state) {
                entry.running += 1
                state.running += 1
                state.origins[origin] = entry
                return (nil, false)
            }
            guard state.waiting < self.settings.maximumWaiting else { return (nil, true) }
            let waiter = Waiter(number: state.nextNumber)
            state.nextNumber += 1
            state.waiting += 1
            entry.queue.append(waiter)
            state.origins[origin] = entry
            return (waiter, false)
        }
        if isFull {
            throw APIClientError(
                .poolExhausted, message: "\(self.settings.maximumWaiting) requests wait for a connection already")
        }
        if let waiter { try await self.wait(waiter, origin) }
        return ConnectionPlace(gate: self, origin: origin)
    }

    private func wait(_ waiter: Waiter, _ origin: String) async throws {
        let alarm = self.time.schedule(at: self.time.now.advanced(by: self.settings.poolTimeout)) {
            self.giveUp(waiter, origin, .tooLate)
        }
        let deadline = OperationContext.current?.atDeadline { self.giveUp(waiter, origin, .atDeadline) }
        let turn = await withTaskCancellationHandler {
            await waiter.suspension.value()
        } onCancel: {
            self.giveUp(waiter, origin, .cancelled)
        }
        self.time.cancel(alarm)
        deadline?.cancel()
        switch turn {
        case .mine: return
        case .cancelled: throw CancellationError()
        case .atDeadline: throw DeadlineReached()
        case .tooLate:
            throw APIClientError(
                .poolExhausted,
                message: "no connection became free within \(self.settings.poolTimeout); "
                    + "there may be \(self.settings.maximumConnectionsPerHost) for a host, \(self.settings.maximumConnections) in all"
            )
        }
    }

    private func giveUp(_ waiter: Waiter, _ origin: String, _ end: Turn) {
        let wasWaiting = self.state.withLock { state -> Bool in
            guard let index = state.origins[origin]?.queue.firstIndex(where: { $0 === waiter }) else { return false }
            state.origins[origin]?.queue.remove(at: index)
            state.waiting -= 1
            Self.forgetIfIdle(origin, &state)
            return true
        }
        if wasWaiting { waiter.suspension.settle(end) }
    }

    fileprivate func leave(_ origin: String) {
        let turn = self.state.withLock { state -> [Waiter] in
            state.running -= 1
            state.origins[origin]?.running -= 1
            let turn = state.waiting == 0 ? [] : self.admit(&state)
            Self.forgetIfIdle(origin, &state)
            return turn
        }
        for waiter in turn { waiter.suspension.settle(.mine) }
    }

    /// Who may run now; counted as running.
    private func admit(_ state: inout State) -> [Waiter] {
        var admitted: [Waiter] = []
        while state.running < self.settings.maximumConnections {
            var next: (origin: String, number: UInt64)?
            for (origin, entry) in state.origins {
                guard let first = entry.queue.first, first.number < next?.number ?? .max else { continue }
                if self.hasRoom(origin, entry, state) { next = (origin, first.number) }
            }
            guard let origin = next?.origin, let waiter = state.origins[origin]?.queue.popFirst() else { break }
            state.origins[origin]?.running += 1
            state.running += 1
            state.waiting -= 1
            admitted.append(waiter)
        }
        return admitted
    }

    private func hasRoom(_ origin: String, _ entry: Origin, _ state: State) -> Bool {
        state.running < self.settings.maximumConnections
            && (entry.running < self.settings.maximumConnectionsPerHost || state.multiplexed.contains(origin))
    }

    private static func forgetIfIdle(_ origin: String, _ state: inout State) {
        guard let entry = state.origins[origin], entry.running == 0, entry.queue.isEmpty else { return }
        state.origins[origin] = nil
    }
}

/// A place at a gate, given back once: when it is said so, or when nobody has it any more.
final class ConnectionPlace: Sendable {
    private let gate: ConnectionGate
    private let origin: String
    private let isTaken = Atomic(true)

    fileprivate init(gate: ConnectionGate, origin: String) {
        self.gate = gate
        self.origin = origin
    }

    deinit { self.leave() }

    func leave() {
        if self.isTaken.exchange(false, ordering: .relaxed) { self.gate.leave(self.origin) }
    }
}
