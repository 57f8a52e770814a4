// SPDX-License-Identifier: Apache-2.0
import SluiceTesting

extension VirtualTime {
    /// Runs `body` to its end and moves time on by `step` whenever an alarm is set.
    func running<Value: Sendable>(
        step: Duration = .seconds(1), _ body: @escaping @Sendable () async -> Value
    ) async -> Value {
        let result = Locked<Value?>(nil)
        let task = Task {
            let value = await body()
            result.withLock { $0 = value }
            return value
        }
        while result.withLock({ $0 == nil }) {
            if self.alarmCount > 0 { self.advance(by: step) }
            await Task.yield()
        }
        return await task.value
    }
}

extension Gate {
    /// Waits until the gate is open, as work does that does not stop when told to.
    func passIgnoringCancellation() async {
        // Unstructured, so that the caller's cancellation does not reach it.
        await Task { try? await self.pass() }.value
    }
}
