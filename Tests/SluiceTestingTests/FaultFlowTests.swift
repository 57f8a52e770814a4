// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import SluiceTesting

@Suite("Rules of the fault proxy", .timeLimit(.minutes(5)))
struct FaultProxyFlowTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func after(_ milliseconds: Int64) -> NIODeadline { self.start + .milliseconds(milliseconds) }

    private func flow(_ mode: FaultProxy.Mode, _ direction: FaultProxy.Direction = .toClient) -> FaultFlow {
        FaultFlow(direction, mode: mode, at: self.start)
    }

    @Test("delays each chunk, and the end, by the same time")
    func delay() {
        var flow = self.flow(.delay(.milliseconds(100)))
        flow.receive(ByteBuffer(string: "a"), at: self.start)
        flow.receive(ByteBuffer(string: "b"), at: self.after(30))
        flow.receiveEnd(at: self.after(60))
        #expect(flow.next(at: self.after(99)) == .wait(until: self.after(100)))
        #expect(flow.next(at: self.after(100)) == .write(ByteBuffer(string: "a")))
        #expect(flow.next(at: self.after(100)) == .wait(until: self.after(130)))
        #expect(flow.next(at: self.after(130)) == .write(ByteBuffer(string: "b")))
        flow.written(2)
        #expect(flow.next(at: self.after(159)) == .wait(until: self.after(160)))
        #expect(flow.next(at: self.after(160)) == .end)
        #expect(flow.next(at: self.after(200)) == .idle)
    }

    @Test("throttles evenly, and a line that was idle saves nothing up")
    func throttle() {
        var flow = self.flow(.throttle(bytesPerSecond: 100))
        for begin: Int64 in [0, 5000] {
            flow.receive(ByteBuffer(string: "abcd"), at: self.after(begin))
            #expect(flow.next(at: self.after(begin)) == .wait(until: self.after(begin + 20)))
            #expect(flow.next(at: self.after(begin + 20)) == .write(ByteBuffer(string: "ab")))
            #expect(flow.next(at: self.after(begin + 20)) == .wait(until: self.after(begin + 40)))
            #expect(flow.next(at: self.after(begin + 45)) == .write(ByteBuffer(string: "cd")))
            #expect(flow.next(at: self.after(begin + 45)) == .idle)
        }
    }

    @Test("lets a throttle of one byte a second pass one byte a second")
    func slowest() {
        var flow = self.flow(.throttle(bytesPerSecond: 1))
        flow.receive(ByteBuffer(string: "ab"), at: self.start)
        #expect(flow.next(at: self.after(999)) == .wait(until: self.after(1000)))
        #expect(flow.next(at: self.after(1000)) == .write(ByteBuffer(string: "a")))
        #expect(flow.next(at: self.after(1000)) == .wait(until: self.after(2000)))
    }

    @Test("tells the end, or cuts, only when the system has everything")
    func unwritten() {
        for (mode, last) in [
            (FaultProxy.Mode.pass, FaultFlow.Step.end), (.cut(afterBytes: 2, .toClient), .cut(.close)),
        ] {
            var flow = self.flow(mode)
            flow.receive(ByteBuffer(string: "ab"), at: self.start)
            flow.receiveEnd(at: self.start)
            #expect(flow.next(at: self.start) == .write(ByteBuffer(string: "ab")))
            #expect(flow.next(at: self.start) == .idle)
            flow.written(2)
            #expect(flow.next(at: self.start) == last)
        }
    }

    @Test("cuts after no byte when the first one arrives, and leaves the other direction alone")
    func cutAtOnce() {
        let mode = FaultProxy.Mode.cut(afterBytes: 0, .toClient, by: .reset)
        var flow = self.flow(mode)
        #expect(flow.next(at: self.start) == .idle)
        flow.receive(ByteBuffer(string: "a"), at: self.start)
        #expect(flow.next(at: self.start) == .cut(.reset))
        var other = self.flow(mode, .toUpstream)
        other.receive(ByteBuffer(string: "a"), at: self.start)
        #expect(other.next(at: self.start) == .write(ByteBuffer(string: "a")))
    }

    @Test("has no room beyond its bound, in bytes or in chunks, until bytes are written")
    func room() {
        var flow = self.flow(.pass)
        flow.receive(ByteBuffer(repeating: 1, count: FaultFlow.capacity), at: self.start)
        #expect(!flow.hasRoom)
        guard case .write = flow.next(at: self.start) else {
            Issue.record("nothing was written")
            return
        }
        #expect(!flow.hasRoom)
        flow.written(FaultFlow.capacity)
        #expect(flow.hasRoom)
        flow.adopt(.delay(.seconds(1)), at: self.start)
        for _ in 1...FaultFlow.maximumChunks { flow.receive(ByteBuffer(string: "a"), at: self.start) }
        #expect(!flow.hasRoom)
        flow.adopt(.blackhole, at: self.start)
        #expect(flow.hasRoom)
    }

    @Test("keeps the end, but no bytes, through a blackhole")
    func blackhole() {
        var flow = self.flow(.delay(.seconds(1)))
        flow.receive(ByteBuffer(string: "a"), at: self.start)
        flow.adopt(.blackhole, at: self.start)
        flow.receive(ByteBuffer(string: "b"), at: self.start)
        flow.receiveEnd(at: self.start)
        #expect(flow.next(at: self.after(5000)) == .idle)
        flow.adopt(.pass, at: self.after(5000))
        #expect(flow.next(at: self.after(5000)) == .end)
    }
}
