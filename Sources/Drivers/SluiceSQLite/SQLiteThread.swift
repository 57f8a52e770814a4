// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The thread that one SQLite connection lives on, so that its blocking calls never hold up the cooperative pool.
///
/// It is also a task executor: a transaction's closure runs on it, and then its statements need no hop at all.
final class SQLiteThread: TaskExecutor, Sendable {
    private enum Work {
        case call(@Sendable () -> Void)
        case job(UnownedJob)
        case stop
    }

    private struct State {
        var queue = Deque<Work>()
        var isStopped = false
    }

    private let state = Mutex(State())
    private let available = DispatchSemaphore(value: 0)
    /// The running thread's identity, or 0 before it runs.
    private let identity = Atomic<UInt>(0)

    init() throws {
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let argument = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { argument in
                #if canImport(Darwin)
                    let pointer: UnsafeMutableRawPointer? = argument
                #else
                    let pointer = argument
                #endif
                if let pointer { Unmanaged<SQLiteThread>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, argument)
        guard status == 0 else {
            Unmanaged<SQLiteThread>.fromOpaque(argument).release()
            throw POSIXFailure(call: "pthread_create", code: status)
        }
    }

    /// Whether the caller runs on this thread.
    var isCurrent: Bool { self.identity.load(ordering: .relaxed) == Self.currentIdentity }

    /// Runs `work` on the thread, after what was handed in before it.
    ///
    /// - Returns: False if the thread has been stopped and `work` will never run.
    func call(_ work: @escaping @Sendable () -> Void) -> Bool {
        self.add(.call(work))
    }

    /// Ends the thread once it has done what was handed in before.
    func stop() {
        _ = self.add(.stop)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        // A job must run: one that comes after the thread was stopped, which only the end of a closure lent a connection past
        // its scope can be, runs where it is.
        let job = UnownedJob(job)
        if !self.add(.job(job)) { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    private func add(_ work: Work) -> Bool {
        let isAdded = self.state.withLock { state in
            guard !state.isStopped else { return false }
            state.queue.append(work)
            if case .stop = work { state.isStopped = true }
            return true
        }
        if isAdded { self.available.signal() }
        return isAdded
    }

    private func run() {
        self.identity.store(Self.currentIdentity, ordering: .relaxed)
        while true {
            self.available.wait()
            switch self.state.withLock({ $0.queue.popFirst() }) {
            case .call(let work): work()
            case .job(let job): job.runSynchronously(on: self.asUnownedTaskExecutor())
            case .stop: return
            case nil: break
            }
        }
    }

    private static var currentIdentity: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }
}

/// A system call that failed.
struct POSIXFailure: Error, CustomStringConvertible {
    let call: String
    let code: Int32

    var description: String { "\(self.call) failed: \(String(cString: strerror(self.code)))" }
}
