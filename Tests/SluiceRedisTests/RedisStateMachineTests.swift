// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice
import Testing

@testable import SluiceRedis

@Suite("Which connection commands go to", .timeLimit(.minutes(5)))
struct RedisStateMachineTests {
    final class Connection: Sendable {}
    typealias Machine = RedisStateMachine<Connection>

    private let start = Instant(nanoseconds: 0)
    private func machine(_ maximum: Int = 100) -> Machine {
        Machine(maximumWaiting: maximum, backoff: .constant(.seconds(1)))
    }
    private func request() -> RedisRequest { RedisRequest(ByteBuffer()) }

    private func isConnect(_ action: Machine.Action) -> Bool { if case .connect = action { true } else { false } }
    private func isNothing(_ action: Machine.Action) -> Bool { if case .nothing = action { true } else { false } }
    private func isDiscard(_ action: Machine.Action) -> Bool { if case .discard = action { true } else { false } }
    private func isFlush(_ action: Machine.Action, _ connection: Connection) -> Bool {
        if case .flush(let other) = action { other === connection } else { false }
    }
    private func error(_ action: Machine.Action) -> RedisError? {
        if case .fail(_, let error) = action { error } else { nil }
    }
    private let unreachable = RedisError(.unreachable, message: "", hasRun: false)

    @Test("the first command connects, the others wait, and all are written together in order")
    func connects() {
        var machine = self.machine()
        let (first, second, third) = (self.request(), self.request(), self.request())
        let connection = Connection()
        #expect(self.isConnect(machine.admit(first, at: self.start)))
        #expect(self.isNothing(machine.admit(second, at: self.start)))
        #expect(self.isFlush(machine.opened(connection), connection))
        #expect(self.isNothing(machine.admit(third, at: self.start)))
        #expect(
            machine.take(2, for: connection).map(ObjectIdentifier.init) == [first, second].map(ObjectIdentifier.init))
        #expect(machine.take(2, for: connection).map(ObjectIdentifier.init) == [ObjectIdentifier(third)])
        #expect(self.isFlush(machine.admit(self.request(), at: self.start), connection))
    }

    @Test("after a failure commands fail at once until the wait is over, and are told how long that is")
    func rests() {
        var machine = self.machine()
        _ = machine.admit(self.request(), at: self.start)
        #expect(self.error(machine.connectFailed(self.unreachable, at: self.start, fraction: 1))?.kind == .unreachable)
        let soon = self.start.advanced(by: .milliseconds(400))
        let refused = self.error(machine.admit(self.request(), at: soon))
        #expect(refused?.retryAfter == .milliseconds(600) && refused?.hasRun == false)
        #expect(self.isConnect(machine.admit(self.request(), at: self.start.advanced(by: .seconds(1)))))
    }

    @Test("a loss connects again only if somebody waits; what was not sent is kept")
    func loss() {
        var machine = self.machine()
        let (lost, next) = (Connection(), Connection())
        _ = machine.admit(self.request(), at: self.start)
        _ = machine.opened(lost)
        _ = machine.take(9, for: lost)
        #expect(self.isNothing(machine.lost(lost, hasAnswered: true, at: self.start, fraction: 1)))
        #expect(self.isConnect(machine.admit(self.request(), at: self.start)))
        _ = machine.opened(next)
        #expect(self.isConnect(machine.lost(next, hasAnswered: true, at: self.start, fraction: 1)))
        #expect(machine.waitingCount == 1)
        #expect(machine.take(9, for: next).isEmpty)
    }

    @Test("a server that accepts connections and never answers is waited for like one that is not there")
    func mute() {
        var machine = self.machine()
        let connection = Connection()
        _ = machine.admit(self.request(), at: self.start)
        _ = machine.opened(connection)
        let error = self.error(machine.lost(connection, hasAnswered: false, at: self.start, fraction: 1))
        #expect(error?.kind == .unreachable)
        #expect(self.error(machine.admit(self.request(), at: self.start))?.retryAfter == .seconds(1))
    }

    @Test("a retired connection is given nothing more")
    func retired() {
        var machine = self.machine()
        let (old, new) = (Connection(), Connection())
        _ = machine.admit(self.request(), at: self.start)
        _ = machine.opened(old)
        #expect(self.isConnect(machine.retired(old)))
        #expect(machine.take(9, for: old).isEmpty)
        #expect(self.isNothing(machine.lost(old, hasAnswered: false, at: self.start, fraction: 1)))
        _ = machine.opened(new)
        #expect(machine.take(9, for: new).count == 1)
    }

    @Test("too many are turned away, and those given up make room")
    func bounded() {
        var machine = self.machine(100)
        let requests = (0..<100).map { _ in self.request() }
        for request in requests { _ = machine.admit(request, at: self.start) }
        let error = self.error(machine.admit(self.request(), at: self.start))
        #expect(error?.kind == .overloaded && error?.hasRun == false && error?.retryAdvice == .always(after: nil))
        for request in requests.prefix(60) {
            request.abandon { _ in CancellationError() }
            machine.noteAbandoned()
        }
        #expect(machine.waitingCount < 60)
        let connection = Connection()
        _ = machine.opened(connection)
        #expect(machine.take(1_000, for: connection).count == 40)
    }

    @Test("once closed nothing is let in, and a connection that comes too late is discarded")
    func closed() {
        var machine = self.machine()
        _ = machine.admit(self.request(), at: self.start)
        let connection = Connection()
        let began = machine.begin(connection)
        #expect(began)
        let closed = machine.close(Suspension())
        #expect(closed.waiting.count == 1 && closed.connection === connection && !closed.isDone)
        let isWanted = machine.begin(Connection())
        #expect(!isWanted)
        #expect(self.error(machine.admit(self.request(), at: self.start))?.kind == .closed)
        #expect(self.isDiscard(machine.opened(Connection())))
        #expect(machine.gone().count == 1)
        #expect(machine.close(Suspension()).isDone)
    }
}
