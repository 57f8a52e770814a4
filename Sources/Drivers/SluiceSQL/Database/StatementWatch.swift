// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Tells the observer of each statement: its text without values, how long it took and how it ended, and if it was slow.
struct StatementWatch: Sendable {
    let observer: (any PolicyObserver)?
    let slowAfter: Duration
    let time: any TimeSource

    /// Runs a statement; without an observer nothing is measured.
    func run(_ query: SQLQuery, _ body: () async throws -> SQLResult) async throws -> SQLResult {
        guard let observer = self.observer else { return try await body() }
        let start = self.time.now
        do {
            let result = try await body()
            self.report(query, "success", start, observer)
            return result
        } catch {
            let outcome = error is CancellationError ? "cancelled" : (error as? SQLError)?.kind.description ?? "failure"
            self.report(query, outcome, start, observer)
            throw error
        }
    }

    private func report(_ query: SQLQuery, _ outcome: String, _ start: Instant, _ observer: any PolicyObserver) {
        let duration = start.duration(to: self.time.now)
        let context = OperationContext.current ?? OperationContext(name: "database", time: self.time)
        let text = query.fingerprint
        observer.record(
            PolicyEvent(.statementFinished, policy: text, outcome: outcome, duration: duration), in: context)
        guard duration >= self.slowAfter else { return }
        observer.record(PolicyEvent(.statementSlow, policy: text, outcome: outcome, duration: duration), in: context)
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
