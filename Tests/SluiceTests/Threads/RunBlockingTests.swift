// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Running asynchronous code from synchronous code", .timeLimit(.minutes(5)))
struct RunBlockingTests {
    // A lane's thread is synchronous ground: no task is current there.

    @Test("returns what the operation returns, and throws what it throws")
    func results() async throws {
        let value = try await offload {
            try runBlocking {
                await Task.yield()
                return 7
            }
        }
        #expect(value == 7)
        await #expect(throws: Failed(number: 2)) {
            try await offload { try runBlocking { throw Failed(number: 2) } }
        }
    }

    @Test("is refused inside a task, before anything runs, and says what to do")
    func refused() async {
        let hasRun = Locked(false)
        let error = #expect(throws: BlockingInsideTaskError.self) {
            try runBlocking { hasRun.withLock { $0 = true } }
        }
        #expect(error?.description.contains("await the operation instead") == true)
        #expect(!hasRun.withLock { $0 })
    }

    @Test("what is bound around the call is bound in the operation")
    func context() async throws {
        let name = try await offload {
            try OperationContext.$current.withValue(OperationContext(name: "script")) {
                try runBlocking { OperationContext.current?.name }
            }
        }
        #expect(name == "script")
    }
}
