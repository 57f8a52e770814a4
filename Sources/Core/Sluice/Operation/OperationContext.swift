// SPDX-License-Identifier: Apache-2.0

/// What every layer of a call knows about it: who it is, how often it was tried, and how long it may still take.
///
/// A pipeline makes one for each call from the one around it, so an operation id set where a request arrives is the id in every
/// log line below, and a deadline can only get earlier on the way down. Layers hand it on explicitly; user code finds it in
/// ``current``.
public struct OperationContext: Sendable {
    /// What all calls through one pipeline have in common; one object, so that a context is copied with one retain.
    @usableFromInline
    final class Kind: Sendable {
        let name: String
        let time: any TimeSource
        let observer: (any PolicyObserver)?

        @usableFromInline
        init(name: String, time: any TimeSource, observer: (any PolicyObserver)?) {
            self.name = name
            self.time = time
            self.observer = observer
        }
    }

    private let kind: Kind
    /// The operation this call belongs to; nested calls keep it.
    public let id: OperationID
    /// Which attempt this is, from 1.
    public var attempt: Int
    /// When the call must have ended; ``Instant/distantFuture`` if it need not.
    public private(set) var deadline: Instant
    /// Whether running the operation twice does no more than running it once.
    ///
    /// False makes ``Retry`` leave alone a failure that may have had an effect. Idempotent unless said otherwise.
    public var isIdempotent: Bool

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
        id: OperationID = OperationID(),
        time: any TimeSource = SystemTime.shared,
        observer: (any PolicyObserver)? = nil
    ) {
        self.init(
            kind: Kind(name: name, time: time, observer: observer), id: id, deadline: .distantFuture, isIdempotent: true
        )
    }

    private init(kind: Kind, id: OperationID, deadline: Instant, isIdempotent: Bool) {
        self.kind = kind
        self.id = id
        self.attempt = 1
        self.deadline = deadline
        self.isIdempotent = isIdempotent
    }

    /// The context of a call nested in the current one, or of an outermost one if there is none.
    ///
    /// The id and the deadline are inherited; the deadline only if both run on the same time source.
    @usableFromInline
    static func nested(_ kind: Kind, isIdempotent: Bool) -> OperationContext {
        guard let parent = self.current else {
            return OperationContext(kind: kind, id: OperationID(), deadline: .distantFuture, isIdempotent: isIdempotent)
        }
        return OperationContext(
            kind: kind, id: parent.id, deadline: parent.time === kind.time ? parent.deadline : .distantFuture,
            isIdempotent: isIdempotent)
    }

    /// What is being done, for example the pipeline's name.
    public var name: String { self.kind.name }
    /// The time line that `deadline` and every wait of this call are measured on.
    public var time: any TimeSource { self.kind.time }
    /// Who is told what the policies do; nobody if nil.
    public var observer: (any PolicyObserver)? { self.kind.observer }

    /// Moves the deadline to `instant` if that is earlier.
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

    /// Tells the observer, if there is one, what happened; `event` is not even made when nobody listens.
    @inlinable
    public func record(_ event: @autoclosure () -> PolicyEvent) {
        if let observer = self.observer { observer.record(event(), in: self) }
    }
}
