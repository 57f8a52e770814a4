// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lends a fixed set of equal resources, one borrower each, in a scope.
///
/// Who finds none free waits in order of arrival, up to the deadline of its ``OperationContext``, and leaves the queue at once
/// when cancelled. The queue is bounded: past the bound callers are turned away instead of piling up.
public final class ResourcePool<Resource: Sendable>: Sendable {
    private struct State {
        var machine: PoolMachine<Resource>
        var places: [Ticket: Place] = [:]
        var closers: [CheckedContinuation<Void, Never>] = []
    }

    private typealias Ticket = PoolMachine<Resource>.Ticket

    /// Where one waiter stands between asking and being resumed.
    private enum Place {
        /// Suspended. Removed when its turn comes or it gives up.
        case parked(CheckedContinuation<Resource?, Never>)
        /// Its turn came before it was suspended, or, with nil, its wait ended before. Removed when it tries to suspend.
        case settled(Resource?)
    }

    private let state: Mutex<State>
    private let name: String

    /// Creates a pool.
    ///
    /// - Parameters:
    ///   - name: The pool's name in errors, for example `sqlite.readers`.
    ///   - resources: What is lent; at least one.
    ///   - maximumWaiters: How many may wait at once; at least 0.
    public init(_ name: String, _ resources: [Resource], maximumWaiters: Int = 10_000) {
        precondition(!resources.isEmpty, "a pool needs at least one resource")
        precondition(maximumWaiters >= 0, "maximumWaiters must not be negative (is \(maximumWaiters))")
        self.name = name
        self.state = Mutex(State(machine: PoolMachine(resources, maximumWaiters: maximumWaiters)))
    }

    /// How many callers wait for a resource.
    public var waiterCount: Int { self.state.withLock { $0.machine.waiterCount } }
    /// How many resources nobody has borrowed.
    public var freeCount: Int { self.state.withLock { $0.machine.freeCount } }

    /// Lends a resource to `body`.
    ///
    /// - Throws: ``RejectionError`` if the queue is full or the deadline came first; `CancellationError` if the task was
    ///   cancelled while it waited; what `body` throws.
    public func withResource<Value>(_ body: (Resource) async throws -> Value) async throws -> Value {
        let resource = try await self.borrow()
        defer { self.giveBack(resource) }
        return try await body(resource)
    }

    /// Turns away everybody who waits or comes later, and returns when everything lent has come back.
    public func close() async {
        let waiters = self.state.withLock { state in
            state.machine.close().compactMap { Self.settle($0, with: nil, &state) }
        }
        for waiter in waiters { waiter.resume(returning: nil) }
        await withCheckedContinuation { continuation in
            let isWhole = self.state.withLock { state in
                if !state.machine.isWhole { state.closers.append(continuation) }
                return state.machine.isWhole
            }
            if isWhole { continuation.resume() }
        }
    }

    private func borrow() async throws -> Resource {
        switch self.state.withLock({ $0.machine.ask() }) {
        case .lent(let resource): return resource
        case .closed: throw RejectionError(policy: self.name, reason: .closed)
        case .full: throw RejectionError(policy: self.name, reason: .queueFull)
        case .waiting(let ticket): return try await self.wait(ticket)
        }
    }

    private func wait(_ ticket: Ticket) async throws -> Resource {
        let context = OperationContext.current
        let deadline = context?.deadline ?? .distantFuture
        let alarm = context.flatMap { context in
            deadline == .distantFuture ? nil : context.time.schedule(at: deadline) { self.giveUp(ticket) }
        }
        defer { if let alarm { context?.time.cancel(alarm) } }
        let resource = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.park(continuation, ticket)
            }
        } onCancel: {
            self.giveUp(ticket)
        }
        if let resource { return resource }
        try Task.checkCancellation()
        let isClosed = self.state.withLock { $0.machine.isClosed }
        throw RejectionError(policy: self.name, reason: isClosed ? .closed : .deadlineWouldBeMissed)
    }

    /// Suspends a waiter, unless its turn came, or its wait ended, between asking and suspending.
    private func park(_ continuation: CheckedContinuation<Resource?, Never>, _ ticket: Ticket) {
        let settled = self.state.withLock { state -> Resource?? in
            if case .settled(let resource) = state.places.removeValue(forKey: ticket) { return .some(resource) }
            state.places[ticket] = .parked(continuation)
            return .none
        }
        if let resource = settled { continuation.resume(returning: resource) }
    }

    private func giveBack(_ resource: Resource) {
        let (next, closers) = self.state.withLock { state in
            let ticket = state.machine.giveBack(resource)
            let next = ticket.flatMap { Self.settle($0, with: resource, &state) }
            guard state.machine.isWhole else { return (next, [CheckedContinuation<Void, Never>]()) }
            defer { state.closers = [] }
            return (next, state.closers)
        }
        next?.resume(returning: resource)
        for closer in closers { closer.resume() }
    }

    private func giveUp(_ ticket: Ticket) {
        let waiter = self.state.withLock { state -> CheckedContinuation<Resource?, Never>? in
            guard state.machine.giveUp(ticket) else { return nil }
            return Self.settle(ticket, with: nil, &state)
        }
        waiter?.resume(returning: nil)
    }

    /// The waiter to resume outside the lock, or nil if it is not suspended yet and will find its answer.
    private static func settle(
        _ ticket: Ticket, with resource: Resource?, _ state: inout State
    ) -> CheckedContinuation<Resource?, Never>? {
        if case .parked(let continuation) = state.places.removeValue(forKey: ticket) { return continuation }
        state.places[ticket] = .settled(resource)
        return nil
    }
}
