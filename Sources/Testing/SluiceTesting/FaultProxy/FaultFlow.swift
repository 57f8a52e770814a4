// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What becomes of the bytes in one direction of one connection: the rules, without sockets or a clock.
struct FaultFlow {
    /// What is to be done next.
    enum Step: Equatable {
        /// Write the bytes, and say ``FaultFlow/written(_:)`` when the system has them.
        case write(ByteBuffer)
        /// Tell the destination that the stream has ended.
        case end
        /// End the connection.
        case cut(FaultProxy.Disconnection)
        /// Ask again at this time.
        case wait(until: NIODeadline)
        /// Ask again when something has happened.
        case idle
    }

    /// Bytes held from which on nothing more is read: enough to keep loopback busy, and little beside what a test sends.
    static let capacity = 256 * 1024
    /// Chunks held from which on nothing more is read, since the smallest chunk takes far more than its bytes.
    static let maximumChunks = 1024
    /// Throttled bytes go in so many slices a second at most.
    private static let slicesPerSecond = 50

    let direction: FaultProxy.Direction
    /// Whether the destination has been told the end: nothing goes there any more.
    private(set) var isShut = false

    private var mode: FaultProxy.Mode
    private var queue = CircularBuffer<(bytes: ByteBuffer, arrived: NIODeadline)>()
    private var queuedBytes = 0
    private var unwrittenBytes = 0
    private var endArrived: NIODeadline?
    /// Bytes a cut has let pass.
    private var passedBytes = 0
    /// The time up to which a throttled line has been used.
    private var usedUntil: NIODeadline

    init(_ direction: FaultProxy.Direction, mode: FaultProxy.Mode, at now: NIODeadline) {
        self.direction = direction
        self.mode = mode
        self.usedUntil = now
    }

    /// Whether more may be read.
    var hasRoom: Bool {
        if self.swallows { return true }
        return self.queuedBytes + self.unwrittenBytes < Self.capacity && self.queue.count < Self.maximumChunks
    }

    /// Changes the mode, also for what is held.
    mutating func adopt(_ mode: FaultProxy.Mode, at now: NIODeadline) {
        self.mode = mode
        self.passedBytes = 0
        self.usedUntil = now
        if self.swallows { self.drop() }
    }

    /// Takes bytes that have arrived.
    mutating func receive(_ bytes: ByteBuffer, at now: NIODeadline) {
        guard !self.swallows else { return }
        self.queuedBytes += bytes.readableBytes
        self.queue.append((bytes, now))
    }

    /// Notes that no more bytes will arrive.
    mutating func receiveEnd(at now: NIODeadline) {
        if self.endArrived == nil { self.endArrived = now }
    }

    /// Notes that the system has taken bytes.
    mutating func written(_ count: Int) {
        self.unwrittenBytes -= count
    }

    /// Decides what to do next.
    mutating func next(at now: NIODeadline) -> Step {
        switch self.mode {
        case _ where self.isShut, .blackhole:
            return .idle
        case .halfClose where self.direction == .toClient:
            return self.shut()
        case .cut(let count, self.direction, let how)
        where self.passedBytes == count && (count > 0 || !self.queue.isEmpty):
            return self.unwrittenBytes == 0 ? .cut(how) : .idle
        default:
            break
        }
        guard let first = self.queue.first else {
            guard let endArrived = self.endArrived else { return .idle }
            let due = self.due(arrived: endArrived, count: 0)
            return due > now ? .wait(until: due) : self.shut()
        }
        let count = self.sliceLength(of: first.bytes.readableBytes)
        let due = self.due(arrived: first.arrived, count: count)
        if due > now { return .wait(until: due) }
        self.usedUntil = due
        return .write(self.take(count))
    }

    /// Whether what arrives is lost.
    private var swallows: Bool {
        self.isShut || self.mode == .blackhole || self.mode == .halfClose && self.direction == .toClient
    }

    /// How much of a chunk may go in one piece.
    private func sliceLength(of count: Int) -> Int {
        switch self.mode {
        case .throttle(let bytesPerSecond): min(count, max(1, bytesPerSecond / Self.slicesPerSecond))
        case .cut(let limit, self.direction, _): min(count, limit - self.passedBytes)
        default: count
        }
    }

    /// When bytes, or the end, may go.
    private func due(arrived: NIODeadline, count: Int) -> NIODeadline {
        switch self.mode {
        case .delay(let delay):
            arrived + TimeAmount(delay)
        case .throttle(let bytesPerSecond):
            // At most a fiftieth of a second, or the second that one byte may take.
            max(self.usedUntil, arrived) + .nanoseconds(Int64(count) * 1_000_000_000 / Int64(bytesPerSecond))
        default:
            arrived
        }
    }

    private mutating func take(_ count: Int) -> ByteBuffer {
        let slice = self.queue[self.queue.startIndex].bytes.readSlice(length: count) ?? ByteBuffer()
        if self.queue[self.queue.startIndex].bytes.readableBytes == 0 { self.queue.removeFirst() }
        self.queuedBytes -= count
        self.unwrittenBytes += count
        self.passedBytes += count
        return slice
    }

    private mutating func shut() -> Step {
        guard self.unwrittenBytes == 0 else { return .idle }
        self.isShut = true
        self.drop()
        return .end
    }

    private mutating func drop() {
        self.queue.removeAll()
        self.queuedBytes = 0
    }
}
