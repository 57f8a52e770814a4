// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Tells the observer of each statement: its text without values, how long it took and how it ended, and if it was slow.
struct StatementWatch: Sendable {
    let observer: (any PolicyObserver)?
    let slowAfter: Duration
    let time: any TimeSource

    /// Runs a statement; without an observer nothing is measured.
    func run<Value>(_ query: SQLQuery, _ body: () async throws -> Value) async throws -> Value {
        guard self.observer != nil else { return try await body() }
        return try await self.run(named: query.fingerprint, body)
    }

    /// Runs what is known by a text of ours; without an observer nothing is measured.
    func run<Value>(named text: String, _ body: () async throws -> Value) async throws -> Value {
        guard let observer = self.observer else { return try await body() }
        let start = self.time.now
        do {
            let value = try await body()
            self.report(text, "success", start.duration(to: self.time.now), observer)
            return value
        } catch {
            self.report(text, Self.outcome(error), start.duration(to: self.time.now), observer)
            throw error
        }
    }

    /// Runs a statement that hands its rows over to a reader, whose time and errors are not the statement's.
    func run(_ query: SQLQuery, for reader: StatementReader, _ body: () async throws -> Void) async throws {
        guard let observer = self.observer else { return try await body() }
        let (text, start) = (query.fingerprint, self.time.now)
        do {
            try await body()
            self.report(text, "success", start.duration(to: self.time.now) - reader.time, observer)
        } catch {
            let outcome = reader.hasFailed ? "success" : Self.outcome(error)
            self.report(text, outcome, start.duration(to: self.time.now) - reader.time, observer)
            throw error
        }
    }

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

/// How long the reader of a statement's rows has taken, and whether it was the one that failed.
final class StatementReader {
    private(set) var time = Duration.zero
    private(set) var hasFailed = false
    private let source: any TimeSource

    init(_ source: any TimeSource) {
        self.source = source
    }

    /// Lets it read.
    func read(_ body: () async throws -> Void) async throws {
        let start = self.source.now
        defer { self.time += start.duration(to: self.source.now) }
        do {
            try await body()
        } catch {
            self.hasFailed = !(error is CancellationError)
            throw error
        }
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
