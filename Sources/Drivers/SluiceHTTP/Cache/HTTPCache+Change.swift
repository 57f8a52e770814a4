// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice
import Synchronization

extension HTTPCache {
    /// Sends a request on that may change something, and drops what it may have changed.
    ///
    /// - Source: RFC 9111 §4.4.
    func change(_ ask: CacheAsk, _ body: HTTPBody?, _ next: Next) async throws -> HTTPTransportResponse {
        let response: HTTPTransportResponse
        do {
            response = try await next(ask.request, body)
        } catch {
            // Whether it took effect is not known, so what is kept is not trusted. In a task of its own, since this one
            // may be
            // cancelled, and a store that is asked by a cancelled task need not do anything.
            if Self.mayHaveRun(error) {
                await Task { await self.drop([ask.uri, ask.key]) }.value
            }
            throw error
        }
        guard (200..<400).contains(response.head.status.code) else { return response.marked(.method) }
        var targets = [ask.uri, ask.key]
        for name in [HTTPField.Name.location, .contentLocation] {
            if let reference = response.head.headerFields[name] {
                if let uri = CacheAsk.related(reference, to: ask.uri) { targets.append(uri) }
            }
        }
        await self.drop(targets)
        return response.marked(.method)
    }

    private static func mayHaveRun(_ error: any Error) -> Bool {
        if error is RejectionError { return false }
        guard let error = error as? APIClientError else { return true }
        return ![.unreachable, .urlNotAllowed, .addressNotAllowed].contains(error.kind)
    }

    /// Drops what is kept of resources.
    ///
    /// A change that took place has taken place, so this never throws.
    private func drop(_ uris: [String]) async {
        self.state.withLock { state in
            for uri in uris { state.noteChange(of: uri) }
            state.statistics.invalidations += 1
        }
        for uri in Set(uris) {
            do {
                try await self.store.invalidate(uri)
            } catch {
                self.count(\.storeFailures)
            }
        }
    }
}
