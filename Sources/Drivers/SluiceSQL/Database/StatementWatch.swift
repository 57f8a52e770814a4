// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Tells the observer of each statement: its text without values, how long it took and how it ended, and if it was slow.
struct StatementWatch: Sendable {
    let observer: (any PolicyObserver)?
    let slowAfter: Duration
    let time: any TimeSource

    /// Runs a statement; without an observer nothing is measured.
    func run<Value>(_ query: SQLQuery, _ body: () async throws -> Value) async throws -> Value {
        try await self.run(named: query.fingerprint, body)
    }

    /// Runs what is known by a text of ours; without an observer nothing is measured.
    func run<Value>(named text: @autoclosure () -> String, _ body: () async throws -> Value) async throws -> Value {
        guard let observer = self.observer else { return try await body() }
        let (text, start) = (text(), self.time.now)
        do {
            let value = try await body()
            self.report(text, "success", start.duration(to: self.time.now), observer)
            return value
        } catch {
            self.report(text, Self.outcome(error), start.duration(to: self.time.now), observer)
            throw error
        }
    }

    /// Runs a statement beside somebody whose time and errors are not the statement's.
    func run<Value>(
        named text: @autoclosure () -> String, beside companion: StatementCompanion, _ body: () async throws -> Value
    ) async throws -> Value {
        guard let observer = self.observer else { return try await body() }
        let (text, start) = (text(), self.time.now)
        do {
            let value = try await body()
            self.report(text, "success", start.duration(to: self.time.now) - companion.time, observer)
            return value
        } catch {
            let outcome = companion.hasFailed ? "success" : Self.outcome(error)
            self.report(text, outcome, start.duration(to: self.time.now) - companion.time, observer)
            throw error
        }
    }

    /// Somebody beside a statement; without an observer his time is not measured.
    func companion() -> StatementCompanion { StatementCompanion(self.observer == nil ? nil : self.time) }

    private static func outcome(_ error: any Error) -> String {
        error is CancellationError ? "cancelled" : (error as? SQLError)?.kind.description ?? "failure"
    }

    private func report(_ text: String, _ outcome: String, _ duration: Duration, _ observer: any PolicyObserver) {
        let context = OperationContext.current ?? OperationContext(name: "database", time: self.time)
        observer.record(
            PolicyEvent(.statementFinished, policy: text, outcome: outcome, duration: duration), in: context)
        guard duration >= self.slowAfter else { return }
        observer.record(PolicyEvent(.statementSlow, policy: text, outcome: outcome, duration: duration), in: context)
    }
}

/// Whoever reads the rows of a statement while it runs, or makes those that it inserts: how long that has taken, and whether it was
/// the one that failed.
final class StatementCompanion {
    private(set) var time = Duration.zero
    private(set) var hasFailed = false
    private let source: (any TimeSource)?

    /// Somebody who has done nothing yet.
    ///
    /// - Parameter source: The time line; nil if the time does not matter.
    init(_ source: (any TimeSource)?) {
        self.source = source
    }

    /// It is his turn; the moment is for ``end(_:_:)``.
    func begin() -> Instant? {
        self.source?.now
    }

    /// His turn is over.
    func end(_ start: Instant?, _ error: (any Error)? = nil) {
        if let start, let source { self.time += start.duration(to: source.now) }
        if let error { self.hasFailed = !(error is CancellationError) }
    }
}

extension SQLQuery {
    /// The text by which statements of one shape are told from others: without values, in one line, lists of any length alike, and
    /// at most 200 characters.
    public var fingerprint: String {
        var pieces: [Substring] = []
        for (index, piece) in self.pieces.enumerated() {
            // Between two values of a list.
            if index > 0, index < self.pieces.count - 1, piece == ", " { continue }
            pieces.append(piece[...])
        }
        let text = pieces.joined(separator: "?").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return text.count <= 200 ? text : text.prefix(199) + "…"
    }
}
