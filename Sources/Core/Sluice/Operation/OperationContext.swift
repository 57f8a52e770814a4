// SPDX-License-Identifier: Apache-2.0

/// What every layer of a call knows about it: who it is, how often it was tried, and how long it may still take.
///
/// A pipeline makes one for each call from the one around it, so an operation id set where a request arrives is the id in every
/// log line below, and a deadline can only get earlier on the way down. Layers hand it on explicitly; user code finds it in
/// ``current``.
///
/// Two references and some numbers, so that handing it from layer to layer costs next to nothing: what all calls of a pipeline
/// share is in one object, what most calls do not have at all in another.
public struct OperationContext: Sendable {
    /// What all calls through one pipeline have in common.
    @usableFromInline
    final class Kind: Sendable {
        @usableFromInline let name: String
        @usableFromInline let time: any TimeSource
        @usableFromInline let observer: (any PolicyObserver)?

        @usableFromInline
        init(name: String, time: any TimeSource, observer: (any PolicyObserver)?) {
            self.name = name
            self.time = time
            self.observer = observer
        }
    }

    @usableFromInline var kind: Kind
    @usableFromInline var details: OperationDetails?
    @usableFromInline var number: UInt64

    /// When the call must have ended; ``Instant/distantFuture`` if it need not.
    public internal(set) var deadline: Instant
    /// When the attempt under way began: the one reading of the clock that its layers share.
    ///
    /// A layer that waits before it runs what is inside it sets this anew.
    public var attemptStart: Instant
    /// Which attempt this is, from 1.
    public var attempt: Int
    /// How much the call matters when not all can be served; nested calls inherit it.
    public var priority: OperationPriority
    /// Whether running the operation twice does no more than running it once, or nil if nobody said.
    ///
    /// False makes ``Retry`` leave alone a failure that may have had an effect. Unless it is true, an attempt that ended at its
    /// time limit is not repeated, since whether it took effect is unknown, and ``Hedge`` starts no second attempt.
    public var isIdempotent: Bool?
    /// How much the policies of this call do; nested calls inherit it.
    public package(set) var mode: PolicyMode
    /// Whether the call has an ``AttemptLog``.
    @usableFromInline var isLogged: Bool
    /// Whether an operation around this one is being repeated: then a ``Retry`` in here would multiply its attempts.
    public internal(set) var isInsideRepetition: Bool

    /// The context of the operation that the current task runs in, if any.
    @TaskLocal public static var current: OperationContext?

    /// Creates the context of an outermost operation.
    ///
    /// - Parameters:
    ///   - name: What is being done.
    ///   - id: The operation's id, if it has one from outside.
    ///   - time: The time line that the deadline and every wait of the call are measured on.
    ///   - observer: Who is told what the policies do.
    public init(
        name: String,
        id: OperationID? = nil,
        time: any TimeSource = SystemTime.shared,
        observer: (any PolicyObserver)? = nil
    ) {
        self.init(kind: Kind(name: name, time: time, observer: observer), isIdempotent: nil)
        if let id { self.details = OperationDetails(id: id) }
    }

    @usableFromInline
    init(kind: Kind, isIdempotent: Bool?) {
        self.kind = kind
        self.details = nil
        self.number = OperationID.nextNumber()
        self.deadline = .distantFuture
        self.attemptStart = kind.time.now
        self.attempt = 1
        self.priority = .normal
        self.isIdempotent = isIdempotent
        self.mode = .normal
        self.isLogged = false
        self.isInsideRepetition = false
    }

    /// The context of a call nested in the current one, or of an outermost one if there is none.
    @inlinable
    static func nested(_ kind: Kind, isIdempotent: Bool?) -> OperationContext {
        guard let parent = self.current else { return OperationContext(kind: kind, isIdempotent: isIdempotent) }
        return parent.child(kind, isIdempotent: isIdempotent)
    }

    /// All that is not said here is inherited: the id, the priority, the mode, and, if both run on the same time source, the deadline.
    @usableFromInline
    func child(_ kind: Kind, isIdempotent: Bool?) -> OperationContext {
        var child = self
        child.kind = kind
        child.details = OperationDetails(parent: self)
        child.deadline = self.time === kind.time ? self.deadline : .distantFuture
        child.attemptStart = kind.time.now
        child.attempt = 1
        child.isIdempotent = isIdempotent
        child.isLogged = false
        child.isInsideRepetition = self.isInsideRepetition || self.attempt > 1
        return child
    }

    /// The operation this call belongs to; nested calls keep it.
    public var id: OperationID { self.details?.id ?? OperationID(number: self.number) }
    /// What is being done, for example the pipeline's name.
    public var name: String { self.kind.name }
    /// The time line that `deadline` and every wait of this call are measured on.
    @inlinable
    public var time: any TimeSource { self.kind.time }
    /// Who is told what the policies do; nobody if nil.
    public var observer: (any PolicyObserver)? { self.kind.observer }

    /// What was said of this operation alone, for its log lines.
    public var attributes: [String: String] {
        get { self.details?.attributes ?? [:] }
        set {
            self.details = OperationDetails(self, attributes: newValue, baggage: self.baggage, log: self.details?.log)
        }
    }

    /// What was said of this operation and everything it calls, here and, where a client passes it on, elsewhere.
    public var baggage: [String: String] {
        get { self.details?.baggage ?? [:] }
        set {
            self.details = OperationDetails(
                self, attributes: self.attributes, baggage: newValue, log: self.details?.log)
        }
    }

    /// Where this call stands: the names of the operations around it, outermost first, its own last, and the id they share.
    public var trail: OperationTrail { OperationTrail(kind: self.kind, details: self.details, number: self.number) }

    /// Moves the deadline to `instant` if that is earlier.
    ///
    /// Who does so must also end the work at that instant, as ``Deadline`` does: layers inside rely on it and set no alarm for a
    /// deadline from outside.
    @inlinable
    public func limited(to instant: Instant) -> OperationContext {
        var context = self
        context.limit(to: instant)
        return context
    }

    @usableFromInline
    mutating func limit(to instant: Instant) {
        self.deadline = min(self.deadline, instant)
    }

    /// The time left until the deadline; negative once it has passed, and nil if there is none.
    public var remaining: Duration? {
        self.deadline == .distantFuture ? nil : self.time.now.duration(to: self.deadline)
    }

    /// Whether anybody wants to know what the policies do.
    @inlinable
    var isObserved: Bool { self.kind.observer != nil || self.isLogged }

    /// Tells the observer, and the call's ``AttemptLog``, what happened; `event` is not even made when nobody listens.
    @inlinable
    public func record(_ event: @autoclosure () -> PolicyEvent) {
        if self.isObserved { self.deliver(event()) }
    }

    /// Begins to remember what the policies do in this call.
    mutating func beginLog() -> AttemptLog {
        let log = AttemptLog(start: self.attemptStart)
        self.details = OperationDetails(self, attributes: self.attributes, baggage: self.baggage, log: log)
        self.isLogged = true
        return log
    }

    @usableFromInline
    func deliver(_ event: PolicyEvent) {
        self.details?.log?.append(event, self)
        self.kind.observer?.record(event, in: self)
    }
}

/// How much a call matters when not all can be served.
public enum OperationPriority: Int, Sendable, Hashable, Comparable, CaseIterable, Codable {
    /// May wait or fail unnoticed: prefetching, clean-up.
    case background
    /// What nobody waits for at this moment: reports, exports.
    case low
    /// What a user waits for.
    case normal
    /// What must not fail: payments, health.
    case high

    /// Orders priorities by weight.
    public static func < (left: OperationPriority, right: OperationPriority) -> Bool { left.rawValue < right.rawValue }
}

/// How much the policies of the current task do; tests turn them down or off.
public enum PolicyMode: Sendable, Hashable {
    /// Policies work.
    case normal
    /// Policies work, but ``Retry`` and ``Hedge`` make one attempt.
    case singleAttempt
    /// Calls run as if they were under no policy at all.
    case off
}
