// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// The queue and the threads of a ``ThreadLane``; apart from it, so that threads at rest do not keep a lane alive.
final class LaneThreads: Sendable {
    typealias Ticket = LaneMachine<any LaneJob>.Ticket

    private struct State {
        var machine: LaneMachine<any LaneJob>
        var closers: [CheckedContinuation<Void, Never>] = []
    }

    let name: String
    private let state: Mutex<State>
    private let wakeUp = DispatchSemaphore(value: 0)

    init(_ name: String, threads: Int, maximumQueued: Int) {
        self.name = name
        self.state = Mutex(State(machine: LaneMachine(maximumThreads: threads, maximumQueued: maximumQueued)))
    }

    var queuedCount: Int { self.state.withLock { $0.machine.queuedCount } }
    var runningCount: Int { self.state.withLock { $0.machine.runningCount } }

    /// Hands in a job.
    ///
    /// - Returns: How to take it back, and whether others are before it.
    func submit(_ job: any LaneJob) throws -> (ticket: Ticket, mustWait: Bool) {
        switch self.state.withLock({ $0.machine.submit(job) }) {
        case .queued(let ticket):
            return (ticket, true)
        case .wakeThread(let ticket):
            self.wakeUp.signal()
            return (ticket, false)
        case .startThread(let ticket):
            if DedicatedThread.start({ self.serve() }) != 0 { self.noThread() }
            return (ticket, true)
        case .full:
            throw RejectionError(policy: self.name, reason: .queueFull)
        case .closed:
            throw RejectionError(policy: self.name, reason: .closed)
        }
    }

    /// The system has no thread to give: what no other thread will take is turned away.
    private func noThread() {
        let (jobs, closers) = self.state.withLock { state in
            let jobs = state.machine.noThread()
            guard state.machine.isOver else { return (jobs, [CheckedContinuation<Void, Never>]()) }
            defer { state.closers = [] }
            return (jobs, state.closers)
        }
        for job in jobs { job.turnAway(RejectionError(policy: self.name, reason: .queueFull)) }
        for closer in closers { closer.resume() }
    }

    /// Takes a job back, unless a thread has taken it.
    func leave(_ ticket: Ticket, because error: any Error) {
        self.state.withLock { $0.machine.leave(ticket) }?.turnAway(error)
    }

    /// Turns away what waits and comes, and lets the threads end.
    func beginClosing() {
        let (jobs, sleeperCount) = self.state.withLock { $0.machine.close() }
        for _ in 0..<sleeperCount { self.wakeUp.signal() }
        for job in jobs { job.turnAway(RejectionError(policy: self.name, reason: .closed)) }
    }

    /// Returns when the last thread has ended.
    func ended() async {
        await withCheckedContinuation { closer in
            let isOver = self.state.withLock { state in
                if !state.machine.isOver { state.closers.append(closer) }
                return state.machine.isOver
            }
            if isOver { closer.resume() }
        }
    }

    // MARK: A thread

    private func serve() {
        DedicatedThread.nameCurrent(self.name)
        var turn = self.state.withLock { $0.machine.turn(afterJob: false) }
        while true {
            switch turn {
            case .run(let job):
                let deliver = job.run()
                turn = self.state.withLock { $0.machine.turn(afterJob: true) }
                deliver()
            case .sleep:
                self.wakeUp.wait()
                turn = self.state.withLock { $0.machine.turn(afterJob: false) }
            case .end(let isLast):
                guard isLast else { return }
                let closers = self.state.withLock { state in
                    defer { state.closers = [] }
                    return state.closers
                }
                for closer in closers { closer.resume() }
                return
            }
        }
    }
}
