// SPDX-License-Identifier: Apache-2.0
import Sluice

extension PoolCore {
    typealias Ticket = ConnectionPoolMachine.Ticket
    typealias Waiter = PoolWaiter

    /// What asking came to.
    enum Claim: Sendable {
        case lent(any PooledConnection)
        case waiting(Waiter)
        /// Because of this error of connecting, or because the pool is closed.
        case refused((any Error)?)
        case full
    }

    /// What is to be done once the lock is given back.
    struct Work: Sendable {
        var lent: [(waiter: Waiter, connection: any PooledConnection)] = []
        var refused: [(waiter: Waiter, error: (any Error)?)] = []
        var connect: [Int] = []
        var ping: [any PooledConnection] = []
        var close: [(connection: any PooledConnection, reason: PoolCloseReason)] = []
        var alarm: (number: UInt64, instant: Instant)?
        var oldAlarm: TimerToken?
        var closers: [CheckedContinuation<Void, Never>] = []
    }

    /// Everything that the lock guards.
    struct State: Sendable {
        var machine: ConnectionPoolMachine
        /// By place.
        var connections: [(any PooledConnection)?]
        var waiters: [Ticket: Waiter] = [:]
        var connects: [Int: Task<Void, Never>] = [:]
        var leases: LeaseLog
        var alarm = QueueAlarm()
        var closers: [CheckedContinuation<Void, Never>] = []
        /// The last error of connecting; nil once that has succeeded.
        var connectError: (any Error)?

        init(_ settings: PoolSettings) {
            self.machine = ConnectionPoolMachine(settings)
            self.connections = Array(repeating: nil, count: settings.capacity)
            self.leases = LeaseLog(places: settings.capacity, limit: settings.leakWarning)
        }

        mutating func ask(
            _ kind: LeaseKind, at now: Instant, _ limit: @autoclosure () -> Instant, _ context: OperationContext?
        ) -> (Claim, Work?) {
            let (answer, effects) = self.machine.ask(kind, at: now)
            let claim: Claim
            switch answer {
            case .lent(let id): claim = .lent(self.lend(id, at: now, context))
            case .waiting(let ticket):
                let waiter = Waiter(ticket, start: now, limit: limit(), context: context)
                self.waiters[ticket] = waiter
                claim = .waiting(waiter)
            case .full: claim = .full
            case .unreachable: claim = .refused(self.connectError)
            case .closed: claim = .refused(nil)
            }
            return (claim, self.resolve(effects, at: now))
        }

        mutating func take(_ kind: LeaseKind, at now: Instant, _ context: OperationContext?) -> (
            (any PooledConnection)?, Work?
        ) {
            let (id, effects) = self.machine.take(kind, at: now)
            return (id.map { self.lend($0, at: now, context) }, self.resolve(effects, at: now))
        }

        mutating func release(_ id: Int, _ isReusable: Bool, at now: Instant) -> Work? {
            let effects = self.machine.release(id, isReusable: isReusable, at: now)
            self.leases.end(ConnectionPoolMachine.place(of: id))
            return self.resolve(effects, at: now)
        }

        /// What an event comes to, and whether connections that were trusted are not any more.
        mutating func noting(
            at now: Instant, _ event: (inout ConnectionPoolMachine) -> ConnectionPoolMachine.Effects
        ) -> (isNews: Bool, Work?) {
            let before = self.machine.lastDistrusted
            let effects = event(&self.machine)
            return (self.machine.lastDistrusted != before, self.resolve(effects, at: now))
        }

        /// Takes a caller out of the queue; nil if its turn has come.
        mutating func giveUp(_ waiter: Waiter, at now: Instant) -> (PoolShortage.Phase, Work?)? {
            let phase: PoolShortage.Phase =
                if self.machine.isPinging(waiter.ticket) {
                    .pinging
                } else if self.machine.status.connecting > 0 || self.machine.isRecovering {
                    .connecting
                } else {
                    .waiting
                }
            let (hasLeft, effects) = self.machine.giveUp(waiter.ticket, at: now)
            guard hasLeft else { return nil }
            self.waiters[waiter.ticket] = nil
            return (phase, self.resolve(effects, at: now))
        }

        private mutating func lend(_ id: Int, at now: Instant, _ context: OperationContext?) -> any PooledConnection {
            let place = ConnectionPoolMachine.place(of: id)
            guard let connection = self.connections[place] else { preconditionFailure("connection \(id) is not open") }
            self.leases.begin(place, at: now, context)
            return connection
        }

        /// Who and what the machine's numbers stand for, and the alarm that follows; nil if there is nothing to do.
        mutating func resolve(_ effects: ConnectionPoolMachine.Effects, at now: Instant) -> Work? {
            var work = effects.isEmpty ? nil : self.work(for: effects, at: now)
            let next = min(self.machine.nextTick ?? .distantFuture, self.leases.checkAt)
            if self.machine.isClosed, self.machine.isDrained {
                work = work ?? Work()
                work?.oldAlarm = self.alarm.clear()
                work?.closers = self.closers
                self.closers = []
            } else if next != .distantFuture {
                let (number, old) = self.alarm.plan(next)
                guard number != nil || old != nil else { return work }
                work = work ?? Work()
                work?.alarm = number.map { ($0, next) }
                work?.oldAlarm = old
            }
            return work
        }

        private mutating func work(for effects: ConnectionPoolMachine.Effects, at now: Instant) -> Work {
            var work = Work()
            for loan in effects.lent {
                // Whoever waits has its place here until it has left the machine's queue.
                guard let waiter = self.waiters.removeValue(forKey: loan.ticket) else { continue }
                work.lent.append((waiter, self.lend(loan.connection, at: now, waiter.context)))
            }
            let error = self.machine.isClosed ? nil : self.connectError
            work.refused = effects.refused.compactMap { ticket in
                self.waiters.removeValue(forKey: ticket).map { ($0, error) }
            }
            work.connect = effects.connect
            work.ping = effects.ping.compactMap { self.connections[ConnectionPoolMachine.place(of: $0)] }
            for closing in effects.close {
                // Kept no longer: the task that closes it holds it.
                let place = ConnectionPoolMachine.place(of: closing.connection)
                guard let connection = self.connections[place] else { continue }
                self.connections[place] = nil
                work.close.append((connection, closing.reason))
            }
            return work
        }
    }
}
