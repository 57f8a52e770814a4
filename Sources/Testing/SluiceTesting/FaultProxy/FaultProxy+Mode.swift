// SPDX-License-Identifier: Apache-2.0

extension FaultProxy {
    /// A way through the proxy.
    public enum Direction: Sendable, Hashable, CaseIterable {
        /// From the client to the server.
        case toUpstream
        /// From the server to the client.
        case toClient
    }

    /// Which connections a change is for.
    public enum Scope: Sendable, Hashable {
        /// Those that are open and those to come.
        case allConnections
        /// Those that are open: a client that connects again gets through, and does not wait for the fault to end.
        case openConnections
    }

    /// How a connection is ended, on both its sides.
    public enum Disconnection: Sendable, Hashable {
        /// As by a process that ends: the peer sees the end of the stream.
        ///
        /// As everywhere in TCP it sees a reset if it sent something that has not been read.
        case close
        /// As by a machine that has forgotten the connection: the peer sees `ECONNRESET`.
        case reset
    }

    /// What the proxy does to connections, in both directions unless it says otherwise.
    public enum Mode: Sendable, Hashable {
        /// Everything passes at once.
        case pass
        /// Everything, the end of a stream included, passes this much later, in order; zero or more.
        case delay(Duration)
        /// So many bytes pass per second in each direction of each connection, evenly; at least 1.
        case throttle(bytesPerSecond: Int)
        /// Connections are accepted and stay open, and nothing passes.
        ///
        /// Bytes are lost. That a side has ended or reset its connection is not told to the other one before the next mode.
        case blackhole
        /// New connections are accepted and closed at once; those that are open go on as in ``pass``.
        case refuse
        /// Connections, new and open, are reset.
        case reset
        /// The client sees the end of the stream, while what it writes goes on to the server.
        ///
        /// What the server sends is lost. A connection does not recover from this in a later mode.
        case halfClose
        /// Exactly so many bytes pass in a direction, then the connection ends; the other direction passes.
        ///
        /// Counted for each connection from when the mode was set, or it was accepted. The connection ends as soon as the last byte
        /// has been handed to the system; with 0, when a first byte arrives, of which nothing passes: so a request can be
        /// carried out whose answer is lost. What has arrived in the other direction by then may or may not have passed.
        case cut(afterBytes: Int, _ direction: Direction, by: Disconnection = .close)

        /// Stops the program if a number is out of its range.
        func validate() {
            switch self {
            case .delay(let delay):
                precondition(delay >= .zero, "delay must be at least 0 (is \(delay))")
            case .throttle(let bytesPerSecond):
                precondition(bytesPerSecond >= 1, "bytesPerSecond must be at least 1 (is \(bytesPerSecond))")
            case .cut(let count, _, _):
                precondition(count >= 0, "afterBytes must be at least 0 (is \(count))")
            case .pass, .blackhole, .refuse, .reset, .halfClose:
                break
            }
        }
    }
}
