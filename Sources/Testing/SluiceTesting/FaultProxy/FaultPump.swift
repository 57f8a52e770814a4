// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Carries out what a flow decides, in one direction of one connection.
///
/// - Note: Unchecked: everything happens on the event loop of the connection.
final class FaultPump: @unchecked Sendable {
    private var flow: FaultFlow
    /// Where the bytes go; nil before it is there and after the connection has ended.
    private var destination: (any Channel)?
    private var timer: Scheduled<Void>?
    private var isRunning = false
    private var onCut: ((FaultProxy.Disconnection) -> Void)?
    private var onRoom: (() -> Void)?

    init(_ direction: FaultProxy.Direction, mode: FaultProxy.Mode) {
        self.flow = FaultFlow(direction, mode: mode, at: .now())
    }

    var direction: FaultProxy.Direction { self.flow.direction }
    var isShut: Bool { self.flow.isShut }
    /// Whether more may be read from the source.
    var hasRoom: Bool { self.destination != nil && self.flow.hasRoom }

    /// Begins to deliver.
    ///
    /// - Parameters:
    ///   - destination: Where the bytes go.
    ///   - onCut: Called when the flow wants the connection to end.
    ///   - onRoom: Called when the destination has taken bytes.
    func start(
        into destination: any Channel, onCut: @escaping (FaultProxy.Disconnection) -> Void,
        onRoom: @escaping () -> Void
    ) {
        self.destination = destination
        self.onCut = onCut
        self.onRoom = onRoom
        self.run()
    }

    /// Lets go of everything it holds.
    func stop() {
        self.timer?.cancel()
        self.timer = nil
        self.destination = nil
        self.onCut = nil
        self.onRoom = nil
    }

    func adopt(_ mode: FaultProxy.Mode) {
        self.flow.adopt(mode, at: .now())
        self.run()
    }

    func receive(_ bytes: ByteBuffer) {
        self.flow.receive(bytes, at: .now())
        self.run()
    }

    func receiveEnd() {
        self.flow.receiveEnd(at: .now())
        self.run()
    }

    private func run() {
        // A write that succeeds at once comes back here: the loop below goes on with it, so that the stack does not grow.
        guard !self.isRunning else { return }
        self.isRunning = true
        defer { self.isRunning = false }
        self.timer?.cancel()
        self.timer = nil
        while let destination = self.destination {
            switch self.flow.next(at: .now()) {
            case .write(let bytes):
                self.write(bytes, to: destination)
            case .end:
                destination.close(mode: .output, promise: nil)
            case .cut(let how):
                self.onCut?(how)
            case .wait(let deadline):
                self.timer = destination.eventLoop.scheduleTask(deadline: deadline) { self.run() }
                return
            case .idle:
                return
            }
        }
    }

    private func write(_ bytes: ByteBuffer, to destination: any Channel) {
        destination.writeAndFlush(bytes).whenSuccess {
            self.flow.written(bytes.readableBytes)
            self.run()
            self.onRoom?()
        }
    }
}
