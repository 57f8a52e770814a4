// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL

extension PostgresConnection {
    /// Runs statements in order, sent together and answered together: one round trip for all of them.
    ///
    /// Each is a transaction of its own, unless one is open: what one of them does wrong is in its place of the results, and is no
    /// matter to the others.
    func pipeline(_ queries: [SQLQuery]) async throws -> [Result<SQLResult, SQLError>] {
        guard let last = queries.last else { return [] }
        // All that can be wrong with them is found before any is sent: then only a lost connection can stop them half-way.
        for query in queries {
            if let fault = query.fault { throw fault }
            if query.pieces.contains(where: { $0.utf8.contains(0) }) { throw SQLError.zeroByte }
        }
        let parameters = try queries.map { try PostgresParameters($0.values) }
        let requests = queries.map { _ in PostgresRequest() }
        var statements: [PostgresStatement] = []
        try await self.ask(requests[queries.count - 1]) { state in
            for (index, query) in queries.dropLast().enumerated() {
                let request = requests[index]
                let failure =
                    self.sendAtOnce(query, parameters[index], request, &state, &statements) ?? self.synchronise(&state)
                if let failure { return failure }
                request.isSent = true
                state.requests.append(request)
            }
            return self.sendAtOnce(
                last, parameters[queries.count - 1], requests[queries.count - 1], &state, &statements)
        }
        // Sending may have stopped at any of them: what was sent has been answered, or never will be.
        let unsent = requests[queries.count - 1].failure ?? .notSent
        return queries.indices.map { index in
            guard index < statements.count, requests[index].isSent else { return .failure(unsent) }
            let (sent, statement) = ((queries[index], requests[index]), statements[index])
            do throws(SQLError) {
                return .success(Self.result(try self.answer(to: sent.1, statement), statement))
            } catch {
                return .failure(error.repeatable.without(sent.0.values))
            }
        }
    }

    /// Sends a statement without first asking what its columns are: unless that is known its values come as text.
    private func sendAtOnce(
        _ query: SQLQuery, _ parameters: PostgresParameters, _ request: PostgresRequest, _ state: inout State,
        _ statements: inout [PostgresStatement]
    ) -> SQLError? {
        switch self.prepare(query, request, &state) {
        case .failure(let error): return error
        case .success(let (statement, columns)):
            statements.append(statement)
            return self.sendRun(statement, parameters, isBinary: columns?.isBinary ?? false)
        }
    }
}
