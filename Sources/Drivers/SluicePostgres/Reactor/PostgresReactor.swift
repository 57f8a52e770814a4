// SPDX-License-Identifier: Apache-2.0
import CEpoll
import Sluice
import SluiceSQL
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Something whose socket a reactor watches.
protocol ReactorHandler: AnyObject, Sendable {
    /// The socket may have bytes, room, or an end. Called on the reactor's thread.
    func socketIsReady()
}

/// One thread that waits for the sockets of many connections, and runs tasks between: a task that prefers it as its executor gets
/// a statement's answer without a hop from thread to thread, which costs more than the statement.
///
/// Sockets are registered once, level-triggered, since libpq reads a bufferful at a time and what stays in the socket makes no new edge.
final class PostgresReactor: TaskExecutor, Sendable {
    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    private struct State {
        var work: [Work] = []
        /// By a number and not by address in the kernel's table: a process that is being started may keep a closed socket alive for a
        /// moment, and its events come for nobody then.
        var handlers: [UInt64: any ReactorHandler] = [:]
        var lastToken: UInt64 = 0
        var isAwake = false
        var isStopped = false
    }

    private let epoll: Int32
    private let bell: Int32
    private let state = Mutex(State())

    init() throws(SQLError) {
        self.epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        self.bell = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard self.epoll >= 0, self.bell >= 0 else {
            throw SQLError(.connection, message: "no more files can be opened (errno \(errno))", hasRun: false)
        }
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
        epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.bell, &event)
        let status = DedicatedThread.start { self.run() }
        guard status == 0 else {
            throw SQLError(.connection, message: "no thread could be started (errno \(status))", hasRun: false)
        }
    }

    // MARK: Sockets

    /// Watches a socket for bytes until ``remove(_:socket:then:)``.
    ///
    /// - Returns: What the reactor knows it by.
    func add(_ handler: any ReactorHandler, socket: Int32) -> UInt64 {
        let token = self.state.withLock { state in
            state.lastToken += 1
            state.handlers[state.lastToken] = handler
            return state.lastToken
        }
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: token))
        epoll_ctl(self.epoll, EPOLL_CTL_ADD, socket, &event)
        return token
    }

    /// Watches the socket for room to write too, or no more.
    func watch(_ token: UInt64, socket: Int32, forRoom: Bool) {
        let events = EPOLLIN.rawValue | (forRoom ? EPOLLOUT.rawValue : 0)
        var event = epoll_event(events: events, data: epoll_data_t(u64: token))
        epoll_ctl(self.epoll, EPOLL_CTL_MOD, socket, &event)
    }

    /// Watches a socket no more, and then calls `body` on the reactor's thread, where no event of the socket is left.
    func remove(_ token: UInt64, socket: Int32, then body: @escaping @Sendable () -> Void) {
        self.add(
            .call {
                epoll_ctl(self.epoll, EPOLL_CTL_DEL, socket, nil)
                // Released where no lock is held.
                let handler = self.state.withLock { $0.handlers.removeValue(forKey: token) }
                _ = handler
                body()
            })
    }

    /// Calls `body` on the reactor's thread, behind what was handed in before.
    func call(_ body: @escaping @Sendable () -> Void) { self.add(.call(body)) }

    // MARK: Jobs

    func enqueue(_ job: consuming ExecutorJob) { self.add(.job(UnownedJob(job))) }

    /// Ends the thread once it has done what was handed in before.
    func stop() {
        self.add(.call { self.state.withLock { $0.isStopped = true } })
    }

    private func add(_ work: Work) {
        let (isStopped, mustRing) = self.state.withLock { state -> (Bool, Bool) in
            guard !state.isStopped else { return (true, false) }
            state.work.append(work)
            defer { state.isAwake = true }
            return (false, !state.isAwake)
        }
        if isStopped {
            // A job must run; one that comes after the end, of a task that outlives its database, runs where it is.
            self.perform(work)
        } else if mustRing {
            var one: UInt64 = 1
            _ = write(self.bell, &one, MemoryLayout<UInt64>.size)
        }
    }

    private func perform(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: self.asUnownedTaskExecutor())
        case .call(let body): body()
        }
    }

    // MARK: The thread

    private func run() {
        DedicatedThread.nameCurrent("postgres")
        let capacity: Int32 = 64
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Int(capacity))
        defer { events.deallocate() }
        var batch: [Work] = []
        while true {
            // While work is done, more of it comes without a ring; sockets get their turn after each batch of it.
            let isStopped = self.state.withLock { state in
                swap(&batch, &state.work)
                state.isAwake = !batch.isEmpty
                return state.isStopped
            }
            for work in batch { self.perform(work) }
            if isStopped, batch.isEmpty { break }
            let mustWait = batch.isEmpty
            batch.removeAll(keepingCapacity: true)
            // Where the servers share our processors, they answer meanwhile, and one look finds several answers.
            if mustWait { sched_yield() }
            let count = epoll_wait(self.epoll, events, capacity, mustWait ? -1 : 0)
            for index in 0..<max(0, Int(count)) {
                let token = events[index].data.u64
                guard token != 0 else {
                    var rings: UInt64 = 0
                    _ = read(self.bell, &rings, MemoryLayout<UInt64>.size)
                    continue
                }
                self.state.withLock { $0.handlers[token] }?.socketIsReady()
            }
        }
        close(self.bell)
        close(self.epoll)
    }
}
