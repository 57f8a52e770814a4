// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

extension HTTPCache {
    /// Confirms in the background what was just used stale.
    ///
    /// Unstructured, because it must outlive the call that found the answer stale: bounded in number and in time, and
    /// ended by
    /// ``close()``, which waits for it. Detached from the caller's context, so that the caller's deadline does not end
    /// it.
    func refresh(_ ask: CacheAsk, _ entry: HTTPCacheEntry, _ next: @escaping Next) {
        let name = "\(entry.key) \(entry.variant)"
        let maximum = self.settings.maximumRefreshes
        guard self.state.withLock({ $0.beginRefresh(name, maximum: maximum) }) else { return }
        let observer = OperationContext.current?.observer
        // Unstructured, since it outlives the call that was answered; bounded in number, and ended by `close()`.
        let task = Task.detached {
            let context = OperationContext(name: "httpCache.refresh", time: self.time, observer: observer)
            await OperationContext.$current.withValue(context) {
                var call = HTTPCacheCall()
                call.isRefresh = true
                await HTTPCacheCall.$current.withValue(call) {
                    await self.refreshNow(ask.forRefresh, entry, next)
                }
            }
            self.state.withLock { $0.endRefresh(name) }
        }
        if !self.state.withLock({ $0.note(task, of: name) }) { task.cancel() }
    }

    private func refreshNow(_ ask: CacheAsk, _ entry: HTTPCacheEntry, _ next: @escaping Next) async {
        do {
            try await withTimeout(self.settings.refreshTimeout) {
                let fetched = try await self.fetch(ask, entry, next)
                if fetched.end == .failed { self.report(.cacheRefreshFailed) }
            }
        } catch {
            // Nobody waits for it: what is stale is used as long as it may be, and the next use tries again.
            self.report(.cacheRefreshFailed)
        }
    }
}
