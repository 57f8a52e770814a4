// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The few things that are asked of a socket beside libpq.
enum PostgresSocket {
    /// Whether bytes, or an end, wait in the socket.
    static func hasBytes(_ socket: Int32) -> Bool { self.wait(socket, milliseconds: 0) }

    private static func wait(_ socket: Int32, milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, milliseconds) > 0
    }

    /// A second descriptor of the same socket.
    static func duplicate(_ socket: Int32) -> Int32 { dup(socket) }

    /// Throws away what arrives until the other side has closed the socket.
    ///
    /// - Parameters:
    ///   - socket: The descriptor.
    ///   - milliseconds: The longest pause between two arrivals.
    /// - Returns: Whether the other side has closed it.
    static func drain(_ socket: Int32, milliseconds: Int32) -> Bool {
        guard socket >= 0 else { return true }
        return withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            // So many, since a server that sends for ever is not waited for.
            for _ in 0..<100 {
                guard self.wait(socket, milliseconds: milliseconds) else { return false }
                if read(socket, buffer.baseAddress, 65_536) <= 0 { return true }
            }
            return false
        }
    }

    /// A way that a socket can be shut.
    enum Direction {
        /// The other side sees an end, and may still send.
        case writing
        /// Whoever reads here or there sees an end.
        case both
    }

    /// Ends the stream without giving the descriptor up.
    static func shutDown(_ socket: Int32, _ direction: Direction) {
        _ = shutdown(socket, Int32(direction == .both ? SHUT_RDWR : SHUT_WR))
    }

    /// Gives the descriptor up.
    static func discard(_ socket: Int32) {
        if socket >= 0 { close(socket) }
    }
}
