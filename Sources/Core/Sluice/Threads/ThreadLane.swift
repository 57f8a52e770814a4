// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A bounded set of threads for work that blocks or computes for long, and so must not run on the cooperative pool.
///
/// ```swift
/// let hash = try await offload(on: .cpu) { try hashed(password) }
/// ```
///
/// Threads start as they are needed and stay. What finds no thread free waits in order of arrival, up to the deadline of its
/// ``OperationContext``, and leaves the queue at once when cancelled. The queue is bounded: past the bound callers are turned
/// away instead of piling up.
///
/// A thread cannot be stopped, so a caller who is cancelled while its work runs waits for it to end. Long work should look at
/// its ``Cancellation`` now and then.
public final class ThreadLane: Sendable {
    /// For work that waits: files, name look-ups, libraries that block.
    ///
    /// Shared by the whole process; do not close it.
    public static let blocking = ThreadLane("blocking", threads: sharedSizes.withLock { $0.use().blocking })
    /// For work that computes: hashing, compressing, parsing.
    ///
    /// Shared by the whole process; do not close it.
    public static let cpu = ThreadLane("cpu", threads: sharedSizes.withLock { $0.use().cpu })

    /// How many threads the shared lanes have at most.
    public struct Sizes: Sendable, Hashable {
        /// Of ``ThreadLane/blocking``; at least 1.
        public var blocking: Int
        /// Of ``ThreadLane/cpu``; at least 1.
        public var cpu: Int
        fileprivate var isInUse = false

        /// States sizes; by default 64 threads that may block, and one that computes for each processor core.
        public init(blocking: Int = 64, cpu: Int? = nil) {
            let cpu = cpu ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
            precondition(blocking >= 1, "blocking must be at least 1 (is \(blocking))")
            precondition(cpu >= 1, "cpu must be at least 1 (is \(cpu))")
            self.blocking = blocking
            self.cpu = cpu
        }

        fileprivate mutating func use() -> Sizes {
            self.isInUse = true
            return self
        }
    }

    private static let sharedSizes = Mutex(Sizes())

    /// Sizes the shared lanes, at the start of a program.
    ///
    /// - Returns: False if one of them is in use already; then nothing has changed.
    @discardableResult
    public static func configureShared(_ sizes: Sizes) -> Bool {
        self.sharedSizes.withLock { current in
            guard !current.isInUse else { return false }
            current = sizes
            return true
        }
    }

    /// Tells running work whether its caller still wants it.
    public final class Cancellation: Sendable {
        private let flag = Atomic(false)

        /// Whether the caller was cancelled.
        public var isCancelled: Bool { self.flag.load(ordering: .relaxed) }

        /// Ends work that nobody wants.
        ///
        /// - Throws: `CancellationError` if the caller was cancelled.
        public func check() throws {
            if self.isCancelled { throw CancellationError() }
        }

        func cancel() { self.flag.store(true, ordering: .relaxed) }
    }

    let threads: LaneThreads

    /// Creates a lane; no thread is started yet.
    ///
    /// - Parameters:
    ///   - name: The lane's name in errors, and its threads' as far as the system has room: 15 characters on Linux.
    ///   - threads: How many there are at most; at least 1.
    ///   - maximumQueued: How many calls may wait for a thread; at least 0.
    public init(_ name: String, threads: Int, maximumQueued: Int = 1_000) {
        precondition(threads >= 1, "threads must be at least 1 (is \(threads))")
        precondition(maximumQueued >= 0, "maximumQueued must not be negative (is \(maximumQueued))")
        self.threads = LaneThreads(name, threads: threads, maximumQueued: maximumQueued)
    }

    deinit {
        self.threads.beginClosing()
    }

    /// The lane's name.
    public var name: String { self.threads.name }
    /// How many calls no thread has taken yet.
    public var queuedCount: Int { self.threads.queuedCount }
    /// How many threads are at work.
    public var runningCount: Int { self.threads.runningCount }

    /// Runs `work` on a thread of the lane.
    ///
    /// - Parameter work: May block. Finds the caller's ``OperationContext/current``, but no other task-local value.
    /// - Throws: ``RejectionError`` if the queue is full, the lane closed, or the deadline came before a thread was free;
    ///   `CancellationError` if the task was cancelled before that; what `work` throws.
    public func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await self.run { (_: Cancellation) in try work() }
    }

    /// Runs `work` on a thread of the lane, and lets it know when the caller is cancelled.
    ///
    /// What `work` returns although it was cancelled is returned all the same. Throws like the other `run`.
    public func run<Value: Sendable>(
        _ work: @escaping @Sendable (Cancellation) throws -> Value
    ) async throws -> Value {
        try Task.checkCancellation()
        let context = OperationContext.current
        let tooLate = RejectionError(policy: self.name, reason: .deadlineWouldBeMissed)
        if let remaining = context?.remaining, remaining <= .zero { throw tooLate }
        let call = LaneCall(in: context, work)
        let (ticket, mustWait) = try self.threads.submit(call)
        let alarm = context.flatMap { context in
            guard mustWait, context.deadline != .distantFuture else { return TimerToken?.none }
            return context.time.schedule(at: context.deadline) { self.threads.leave(ticket, because: tooLate) }
        }
        defer { if let alarm { context?.time.cancel(alarm) } }
        return try await withTaskCancellationHandler {
            await call.result()
        } onCancel: {
            call.cancellation.cancel()
            self.threads.leave(ticket, because: CancellationError())
        }.get()
    }

    /// Turns away everybody who waits or comes later, and returns when running work has ended and every thread with it.
    public func close() async {
        self.threads.beginClosing()
        await self.threads.ended()
    }
}

/// Runs `work` on a thread of its own kind, so that no thread of the cooperative pool is held up.
///
/// - Parameters:
///   - lane: Whose threads; ``ThreadLane/cpu`` for work that computes.
///   - work: May block.
/// - Throws: As ``ThreadLane`` does when it runs work.
public func offload<Value: Sendable>(
    on lane: ThreadLane = .blocking, _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await lane.run(work)
}
