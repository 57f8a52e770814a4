// SPDX-License-Identifier: Apache-2.0

/// What only some calls have: a place below another call, an id from outside, attributes, baggage, a log.
@usableFromInline
final class OperationDetails: Sendable {
    let id: OperationID?
    /// The operation around this one.
    let parent: OperationTrail?
    let attributes: [String: String]
    let baggage: [String: String]
    let log: AttemptLog?

    /// Of an outermost operation with an id from outside.
    init(id: OperationID) {
        self.id = id
        self.parent = nil
        self.attributes = [:]
        self.baggage = [:]
        self.log = nil
    }

    /// Of a call nested in `parent`.
    init(parent: OperationContext) {
        self.id = parent.details?.id
        self.parent = parent.trail
        self.attributes = [:]
        self.baggage = parent.details?.baggage ?? [:]
        self.log = nil
    }

    /// Of `context` itself, with some of it changed.
    init(_ context: OperationContext, attributes: [String: String], baggage: [String: String], log: AttemptLog?) {
        self.id = context.details?.id
        self.parent = context.details?.parent
        self.attributes = attributes
        self.baggage = baggage
        self.log = log
    }
}

/// The way from the outermost operation down to one call, by name, and the id they share.
public struct OperationTrail: Sendable, CustomStringConvertible {
    private let kind: OperationContext.Kind
    private let details: OperationDetails?
    private let number: UInt64

    init(kind: OperationContext.Kind, details: OperationDetails?, number: UInt64) {
        self.kind = kind
        self.details = details
        self.number = number
    }

    /// The names, outermost first.
    public var names: [String] { (self.details?.parent?.names ?? []) + [self.kind.name] }
    /// The operation's id.
    public var id: OperationID { self.details?.id ?? OperationID(number: self.number) }
    /// What the call's policies did, if it was asked for by ``Pipeline/explained(isIdempotent:_:)``.
    public var log: AttemptLog? { self.details?.log }

    /// One line, for example `request > import > api.example.com (01h8…)`.
    public var description: String { self.names.joined(separator: " > ") + " (\(self.id))" }
}
