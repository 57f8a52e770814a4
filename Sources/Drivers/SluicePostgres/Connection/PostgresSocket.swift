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

    /// Waits up to five seconds until the other side has closed the socket, and closes it here.
    static func drain(_ socket: Int32) {
        guard socket >= 0 else { return }
        defer { close(socket) }
        withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
            for _ in 0..<100 {
                guard self.wait(socket, milliseconds: 5_000), read(socket, buffer.baseAddress, 4_096) > 0 else {
                    return
                }
            }
        }
    }
}
