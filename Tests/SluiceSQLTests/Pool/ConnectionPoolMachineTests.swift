// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@testable import SluiceSQL

@Suite("Rules of a connection pool")
struct ConnectionPoolMachineTests {
    typealias Machine = ConnectionPoolMachine

    let start = Instant(nanoseconds: 1_000)

    private func after(_ duration: Duration) -> Instant { self.start.advanced(by: duration) }

    /// A machine with so many connections lent exclusively.
    private func lent(_ count: Int, _ settings: PoolSettings) throws -> (Machine, [Int]) {
        var machine = Machine(settings)
        var connections: [Int] = []
        for _ in 0..<count {
            let asked = machine.ask(.exclusive, at: self.start)
            let id = try #require(asked.effects.connect.first)
            let loan = try #require(machine.connected(id, at: self.start, fraction: 0.5).lent.first)
            connections.append(loan.connection)
        }
        return (machine, connections)
    }

    private func ticket(_ answer: Machine.Answer) throws -> Machine.Ticket {
        guard case .waiting(let ticket) = answer else {
            Issue.record("\(answer)")
            throw CancellationError()
        }
        return ticket
    }

    @Test("starts empty, opens what is asked for, and lends it to who waited")
    func first() throws {
        var machine = Machine(PoolSettings())
        let (answer, effects) = machine.ask(.exclusive, at: self.start)
        let id = try #require(effects.connect.first)
        let loans = machine.connected(id, at: self.start, fraction: 0).lent
        #expect(loans == [Machine.Effects.Loan(ticket: try self.ticket(answer), connection: id)])
        #expect(machine.status == PoolStatus(size: 1, lent: 1, leases: 1))
    }

    @Test("lends the connection that came back last")
    func warmFirst() throws {
        var (machine, connections) = try self.lent(3, PoolSettings())
        for id in connections { _ = machine.release(id, isReusable: true, at: self.start) }
        #expect(machine.ask(.exclusive, at: self.start).answer == .lent(connections[2]))
        #expect(machine.ask(.shared, at: self.start).answer == .lent(connections[1]))
    }

    @Test("opens at most maximumConnecting at once, and no more than there is demand for")
    func connecting() {
        var machine = Machine(PoolSettings(maximumConnecting: 2))
        let opened = (0..<5).map { _ in machine.ask(.exclusive, at: self.start).effects.connect }
        #expect(opened.map(\.count) == [1, 1, 0, 0, 0])
        #expect(machine.connected(opened[0][0], at: self.start, fraction: 0).connect.count == 1)
        #expect(machine.status.connecting == 2)
    }

    @Test("goes beyond size for exclusive leases, up to the overflow, which is closed on return when nobody waits")
    func overflow() throws {
        var (machine, connections) = try self.lent(3, PoolSettings(size: 1, overflow: 2))
        let waiting = machine.ask(.exclusive, at: self.start)
        #expect(waiting.effects.isEmpty)
        let handed = machine.release(connections[0], isReusable: true, at: self.start)
        #expect(handed.lent.map(\.connection) == [connections[0]])
        #expect(handed.close.isEmpty)
        let closings = connections.map { machine.release($0, isReusable: true, at: self.start).close.map(\.reason) }
        #expect(closings == [[.overflow], [.overflow], []])
        #expect(machine.status.idle == 1)
    }

    @Test("keeps the place of a connection until it is closed")
    func places() throws {
        var (machine, connections) = try self.lent(1, PoolSettings(size: 1, overflow: 0))
        _ = machine.ask(.exclusive, at: self.start)
        let broken = machine.release(connections[0], isReusable: false, at: self.start)
        #expect(broken.close == [Machine.Effects.Closing(connection: connections[0], reason: .broken)])
        #expect(broken.connect.isEmpty)
        #expect(machine.status == PoolStatus(size: 1, closing: 1, waiting: 1))
        let next = machine.closed(connections[0], at: self.start).connect
        #expect(next.count == 1)
        #expect(next[0] != connections[0])
        #expect(Machine.place(of: next[0]) == Machine.place(of: connections[0]))
    }

    @Test("opens one for each below size, and then shares the least loaded, up to the depth")
    func sharing() throws {
        let settings = PoolSettings(size: 2, overflow: 5, statementsPerConnection: 2)
        var machine = Machine(settings)
        let first = try #require(machine.ask(.shared, at: self.start).effects.connect.first)
        _ = machine.connected(first, at: self.start, fraction: 0)
        let (answer, effects) = machine.ask(.shared, at: self.start)
        let own = try self.ticket(answer)
        let second = try #require(effects.connect.first)
        #expect(
            machine.connected(second, at: self.start, fraction: 0).lent
                == [Machine.Effects.Loan(ticket: own, connection: second)])
        #expect(machine.ask(.shared, at: self.start).answer == .lent(first))
        #expect(machine.ask(.shared, at: self.start).answer == .lent(second))
        let full = machine.ask(.shared, at: self.start)
        #expect(full.effects.isEmpty, "those who share do not open overflow while others will make room")
        let ticket = try self.ticket(full.answer)
        let freed = machine.release(first, isReusable: true, at: self.start)
        #expect(freed.lent == [Machine.Effects.Loan(ticket: ticket, connection: first)])
        #expect(machine.status == PoolStatus(size: 2, lent: 2, leases: 4))
    }

    @Test("nobody joins those who have had no answer for long: he has overflow, or waits for whoever is done first")
    func slowSharers() throws {
        var machine = Machine(PoolSettings(size: 1, overflow: 1, statementsPerConnection: 8))
        let slow = try #require(machine.ask(.shared, at: self.start).effects.connect.first)
        _ = machine.connected(slow, at: self.start, fraction: 0)
        #expect(machine.ask(.shared, at: self.after(.milliseconds(99))).answer == .lent(slow))
        let (answer, effects) = machine.ask(.shared, at: self.after(.milliseconds(100)))
        let ticket = try self.ticket(answer)
        #expect(effects.connect.count == 1)
        let freed = machine.release(slow, isReusable: true, at: self.after(.milliseconds(150)))
        #expect(freed.lent == [Machine.Effects.Loan(ticket: ticket, connection: slow)], "an answer is progress")
        #expect(machine.ask(.shared, at: self.after(.milliseconds(200))).answer == .lent(slow))
    }

    @Test("opens overflow for shared leases when no connection is shared")
    func sharedOverflow() throws {
        let settings = PoolSettings(size: 1, overflow: 1, statementsPerConnection: 8)
        var (machine, _) = try self.lent(1, settings)
        let opened = (0..<5).map { _ in machine.ask(.shared, at: self.start).effects.connect.count }
        #expect(opened == [1, 0, 0, 0, 0])
    }

    @Test("a shared request does not overtake a waiting exclusive one, and goes on when that one leaves")
    func fair() throws {
        var machine = Machine(PoolSettings(size: 1, overflow: 0, statementsPerConnection: 4))
        let id = try #require(machine.ask(.shared, at: self.start).effects.connect.first)
        _ = machine.connected(id, at: self.start, fraction: 0)
        let exclusive = try self.ticket(machine.ask(.exclusive, at: self.start).answer)
        let shared = try self.ticket(machine.ask(.shared, at: self.start).answer)
        #expect(machine.take(.shared, at: self.start).connection == nil)
        let (hasLeft, effects) = machine.giveUp(exclusive, at: self.start)
        #expect(hasLeft)
        #expect(effects.lent == [Machine.Effects.Loan(ticket: shared, connection: id)])
        #expect(!machine.giveUp(exclusive, at: self.start).hasLeft)
    }

    @Test("shares nothing at a depth of 1, and then opens overflow for everybody")
    func noSharing() throws {
        var (machine, _) = try self.lent(1, PoolSettings(size: 1, overflow: 1))
        #expect(machine.ask(.shared, at: self.start).effects.connect.count == 1)
    }

    @Test("who leaves the queue leaves nothing behind")
    func memory() throws {
        var (machine, _) = try self.lent(1, PoolSettings(size: 1, overflow: 0))
        _ = machine.ask(.exclusive, at: self.start)
        for _ in 0..<100_000 {
            let ticket = try self.ticket(machine.ask(.exclusive, at: self.start).answer)
            _ = machine.giveUp(ticket, at: self.start)
        }
        #expect("\(machine.queue)".utf8.count < 5_000)
    }

    @Test("turns away whoever finds the queue full")
    func full() throws {
        var (machine, _) = try self.lent(1, PoolSettings(size: 1, overflow: 0, maximumWaiting: 1))
        _ = machine.ask(.exclusive, at: self.start)
        #expect(machine.ask(.exclusive, at: self.start).answer == .full)
    }

    // MARK: Age

    @Test("closes what was idle too long or is too old, when asked, on return and at a tick")
    func age() throws {
        let settings = PoolSettings(size: 2, maximumLifetime: .seconds(100), idleTimeout: .seconds(10))
        var (machine, connections) = try self.lent(2, settings)
        _ = machine.release(connections[0], isReusable: true, at: self.start)
        #expect(machine.nextTick == self.after(.seconds(10)))
        #expect(machine.tick(at: self.after(.seconds(9))).close.isEmpty)
        #expect(machine.tick(at: self.after(.seconds(10))).close.map(\.reason) == [.idle])
        #expect(machine.release(connections[1], isReusable: true, at: self.after(.seconds(95))).close.isEmpty)
        #expect(machine.ask(.exclusive, at: self.after(.seconds(100))).effects.close.map(\.reason) == [.lifetime])
        var (other, lent) = try self.lent(1, settings)
        #expect(
            other.release(lent[0], isReusable: true, at: self.after(.seconds(100))).close.map(\.reason) == [.lifetime])
    }

    @Test("lifetimes differ by up to a tenth", arguments: [(0.0, 90.0), (0.5, 100.0), (1.0, 110.0)])
    func jitter(fraction: Double, seconds: Double) throws {
        var machine = Machine(PoolSettings(maximumLifetime: .seconds(100), idleTimeout: .seconds(1_000)))
        let id = try #require(machine.ask(.exclusive, at: self.start).effects.connect.first)
        _ = machine.connected(id, at: self.start, fraction: fraction)
        _ = machine.release(id, isReusable: true, at: self.start)
        let tick = try #require(machine.nextTick)
        #expect(abs(self.start.duration(to: tick).inSeconds - seconds) < 0.001)
    }

    // MARK: Death

    @Test("asks a connection that was idle whether it is alive before it is lent")
    func ping() throws {
        var (machine, connections) = try self.lent(1, PoolSettings(pingAfterIdle: .seconds(1)))
        _ = machine.release(connections[0], isReusable: true, at: self.start)
        #expect(machine.take(.exclusive, at: self.after(.seconds(2))).connection == nil)
        #expect(machine.status.idle == 1)
        let (answer, effects) = machine.ask(.exclusive, at: self.after(.seconds(2)))
        #expect(effects.ping == connections)
        let ticket = try self.ticket(answer)
        #expect(machine.isPinging(ticket))
        let alive = machine.pinged(connections[0], isAlive: true, at: self.after(.seconds(2)))
        #expect(alive.lent == [Machine.Effects.Loan(ticket: ticket, connection: connections[0])])
        #expect(machine.status == PoolStatus(size: 1, lent: 1, leases: 1))
    }

    @Test("a connection that is pinged is shared with nobody")
    func pingedAlone() throws {
        var machine = Machine(
            PoolSettings(size: 1, overflow: 0, pingAfterIdle: .seconds(1), statementsPerConnection: 4))
        let id = try #require(machine.ask(.shared, at: self.start).effects.connect.first)
        _ = machine.connected(id, at: self.start, fraction: 0)
        _ = machine.release(id, isReusable: true, at: self.start)
        _ = machine.ask(.shared, at: self.after(.seconds(2)))
        let second = machine.ask(.shared, at: self.after(.seconds(2)))
        _ = try self.ticket(second.answer)
        #expect(machine.pinged(id, isAlive: true, at: self.after(.seconds(2))).lent.count == 2)
    }

    @Test("a failed ping closes all that were opened before; who waited for it goes first")
    func failedPing() throws {
        var (machine, connections) = try self.lent(3, PoolSettings(pingAfterIdle: .seconds(1), maximumConnecting: 1))
        for id in connections.dropFirst() { _ = machine.release(id, isReusable: true, at: self.start) }
        let now = self.after(.seconds(2))
        let first = try self.ticket(machine.ask(.exclusive, at: now).answer)
        let dead = machine.pinged(connections[2], isAlive: false, at: now)
        #expect(Set(dead.close.map(\.connection)) == [connections[1], connections[2]])
        #expect(dead.close.map(\.reason) == [.invalidated, .pingFailed])
        let second = try self.ticket(machine.ask(.exclusive, at: now).answer)
        let served = machine.connected(try #require(dead.connect.first), at: now, fraction: 0)
        #expect(served.lent.map(\.ticket) == [first])
        #expect(served.lent.map(\.ticket) != [second])
        #expect(machine.release(connections[0], isReusable: true, at: now).close.map(\.reason) == [.invalidated])
    }

    @Test("the last of many to report a death closes nothing that was opened in between")
    func lateReport() throws {
        var (machine, connections) = try self.lent(2, PoolSettings())
        _ = machine.invalidate(because: connections[0], at: self.start)
        let id = try #require(machine.ask(.exclusive, at: self.start).effects.connect.first)
        _ = machine.connected(id, at: self.start, fraction: 0)
        _ = machine.release(id, isReusable: true, at: self.start)
        #expect(machine.invalidate(because: connections[1], at: self.start).isEmpty)
        #expect(machine.status.idle == 1)
        #expect(machine.invalidate(at: self.start).close.map(\.connection) == [id])
    }

    @Test("a connection that was being opened when the pool was invalidated is not trusted either")
    func invalidatedWhileConnecting() throws {
        var machine = Machine(PoolSettings())
        let id = try #require(machine.ask(.exclusive, at: self.start).effects.connect.first)
        _ = machine.invalidate(at: self.start)
        let effects = machine.connected(id, at: self.start, fraction: 0)
        #expect(effects.close.map(\.reason) == [.invalidated])
        #expect(effects.connect.count == 1)
    }

    // MARK: Failing to connect

    @Test("after a failure waits twice as long each time, and then tries one at a time until one succeeds")
    func backoff() throws {
        var machine = Machine(PoolSettings())
        let ids = (0..<4).flatMap { _ in machine.ask(.exclusive, at: self.start).effects.connect }
        #expect(ids.count == 3)
        for id in ids {
            #expect(machine.connectFailed(id, isPermanent: false, at: self.start, fraction: 1).isEmpty)
        }
        var now = self.start
        for wait in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let next = now.advanced(by: .milliseconds(wait))
            #expect(machine.nextTick == next)
            now = next
            let again = machine.tick(at: now).connect
            #expect(again.count == 1)
            #expect(machine.connectFailed(again[0], isPermanent: false, at: now, fraction: 1).isEmpty)
        }
        now = now.advanced(by: .seconds(5))
        let last = try #require(machine.tick(at: now).connect.first)
        let recovered = machine.connected(last, at: now, fraction: 0)
        #expect(recovered.lent.count == 1)
        #expect(recovered.connect.count == 3)
    }

    @Test("tries no more when nobody waits any more")
    func nobodyWaits() throws {
        var machine = Machine(PoolSettings())
        let (answer, effects) = machine.ask(.exclusive, at: self.start)
        _ = machine.connectFailed(effects.connect[0], isPermanent: false, at: self.start, fraction: 1)
        _ = machine.giveUp(try self.ticket(answer), at: self.start)
        #expect(machine.nextTick == nil)
    }

    @Test("a failure that does not pass fails everybody at once, and newcomers until it may be tried again")
    func permanent() throws {
        var machine = Machine(PoolSettings(maximumConnecting: 1))
        let asked = (0..<3).map { _ in machine.ask(.exclusive, at: self.start) }
        let failed = machine.connectFailed(asked[0].effects.connect[0], isPermanent: true, at: self.start, fraction: 1)
        #expect(failed.refused == (try asked.map { try self.ticket($0.answer) }))
        #expect(machine.ask(.exclusive, at: self.after(.milliseconds(99))).answer == .unreachable)
        let again = machine.ask(.exclusive, at: self.after(.milliseconds(100)))
        #expect(again.effects.connect.count == 1)
    }

    // MARK: The end

    @Test("a closed pool refuses who waits and who comes, and closes what comes back or is opened late")
    func closing() throws {
        var (machine, connections) = try self.lent(2, PoolSettings(size: 3, overflow: 0))
        _ = machine.release(connections[0], isReusable: true, at: self.start)
        #expect(machine.ask(.exclusive, at: self.start).answer == .lent(connections[0]))
        let waiting = machine.ask(.exclusive, at: self.start)
        #expect(machine.close().refused == [try self.ticket(waiting.answer)])
        #expect(machine.ask(.exclusive, at: self.start).answer == .closed)
        #expect(machine.take(.exclusive, at: self.start).connection == nil)
        for id in connections {
            #expect(machine.release(id, isReusable: true, at: self.start).close.map(\.reason) == [.poolClosed])
            _ = machine.closed(id, at: self.start)
        }
        #expect(!machine.isDrained)
        let late = waiting.effects.connect[0]
        #expect(machine.connected(late, at: self.start, fraction: 0).close.map(\.reason) == [.poolClosed])
        _ = machine.closed(late, at: self.start)
        #expect(machine.isDrained)
    }

    @Test("a connection given back twice stops the program")
    func twice() async {
        await #expect(processExitsWith: .failure) {
            var machine = ConnectionPoolMachine(PoolSettings())
            let start = Instant(nanoseconds: 0)
            let id = machine.ask(.exclusive, at: start).effects.connect[0]
            _ = machine.connected(id, at: start, fraction: 0)
            _ = machine.release(id, isReusable: true, at: start)
            _ = machine.release(id, isReusable: true, at: start)
        }
    }
}
