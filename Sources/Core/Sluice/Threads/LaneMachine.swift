// SPDX-License-Identifier: Apache-2.0

/// The rules of a ``ThreadLane`` alone: what runs next, on how many threads, and what is turned away.
public struct LaneMachine<Job> {
    /// Names one job.
    public typealias Ticket = UInt64

    /// What handing in a job came to.
    public enum Admission {
        /// A thread that sleeps must be woken for it.
        case wakeThread(Ticket)
        /// A thread must be started for it.
        case startThread(Ticket)
        /// Every thread is at work.
        case queued(Ticket)
        /// As many wait as may.
        case full
        /// The lane takes no job any more.
        case closed
    }

    /// What a thread should do next.
    public enum Turn {
        /// Run this.
        case run(Job)
        /// Sleep until woken.
        case sleep
        /// End; `isLast` if no other thread is left.
        case end(isLast: Bool)
    }

    private let maximumThreads: Int
    private let maximumQueued: Int
    /// Jobs that no thread has taken yet, by ticket.
    private var jobs: [Ticket: Job] = [:]
    /// Tickets in order of arrival from `head` on; one whose job has left stays for a while.
    private var order: [Ticket] = []
    private var head = 0
    private var lastTicket: Ticket = 0
    private var threadCount = 0
    private var sleeperCount = 0
    private var isClosed = false
    /// How many jobs run.
    public private(set) var runningCount = 0

    /// Creates a lane of at most so many threads and so many jobs that wait for one.
    public init(maximumThreads: Int, maximumQueued: Int) {
        self.maximumThreads = maximumThreads
        self.maximumQueued = maximumQueued
    }

    /// How many jobs no thread has taken yet.
    public var queuedCount: Int { self.jobs.count }
    /// How many tickets are kept, for tests.
    var orderCount: Int { self.order.count }
    /// Whether the lane is closed and its last thread gone.
    public var isOver: Bool { self.isClosed && self.threadCount == 0 }

    /// Hands in a job.
    public mutating func submit(_ job: Job) -> Admission {
        if self.isClosed { return .closed }
        // Before the sum, which is out of range for a queue said to be as long as can be.
        guard self.jobs.count + self.runningCount - self.maximumThreads < self.maximumQueued else { return .full }
        self.lastTicket += 1
        self.jobs[self.lastTicket] = job
        self.append(self.lastTicket)
        if self.sleeperCount > 0 {
            self.sleeperCount -= 1
            return .wakeThread(self.lastTicket)
        }
        if self.threadCount < self.maximumThreads {
            self.threadCount += 1
            return .startThread(self.lastTicket)
        }
        return .queued(self.lastTicket)
    }

    /// Leaves the queue.
    ///
    /// - Returns: The job, or nil if a thread has taken it or it has left before.
    public mutating func leave(_ ticket: Ticket) -> Job? {
        self.jobs.removeValue(forKey: ticket)
    }

    /// A thread is free, because it is new, was woken or has run a job.
    public mutating func turn(afterJob: Bool) -> Turn {
        if afterJob { self.runningCount -= 1 }
        while self.head < self.order.count {
            self.head += 1
            if let job = self.jobs.removeValue(forKey: self.order[self.head - 1]) {
                self.runningCount += 1
                return .run(job)
            }
        }
        if self.isClosed {
            self.threadCount -= 1
            return .end(isLast: self.threadCount == 0)
        }
        self.sleeperCount += 1
        return .sleep
    }

    /// The thread asked for could not be started.
    ///
    /// - Returns: Every job that waits, if there is no other thread to take them.
    public mutating func noThread() -> [Job] {
        self.threadCount -= 1
        guard self.threadCount == 0 else { return [] }
        defer { self.jobs = [:] }
        return self.jobs.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Takes no job any more.
    ///
    /// - Returns: The jobs that no thread has taken, which never will, and how many threads sleep and must be woken to end.
    public mutating func close() -> (jobs: [Job], sleeperCount: Int) {
        self.isClosed = true
        defer { (self.jobs, self.sleeperCount) = ([:], 0) }
        return (self.jobs.sorted { $0.key < $1.key }.map(\.value), self.sleeperCount)
    }

    /// Joins the order, without what is served or has left if that is the larger part: so it stays in proportion to the queue.
    private mutating func append(_ ticket: Ticket) {
        if self.order.count > 32 + 2 * self.jobs.count {
            self.order = self.order[self.head...].filter { self.jobs[$0] != nil }
            self.head = 0
        }
        self.order.append(ticket)
    }
}

extension LaneMachine: Sendable where Job: Sendable {}
extension LaneMachine.Turn: Sendable where Job: Sendable {}
extension LaneMachine.Admission: Sendable {}
