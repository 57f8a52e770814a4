// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A value behind a lock, to be captured by the tasks of a test.
public final class Locked<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    /// Starts with `value`.
    public init(_ value: Value) {
        self.value = Mutex(value)
    }

    /// Reads or changes the value.
    public func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        self.value.withLock { value in
            // A copy in and out: the compiler does not let a task-isolated closure touch the locked value itself.
            var copy = value
            let result = body(&copy)
            value = copy
            return result
        }
    }
}
