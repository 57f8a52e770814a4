// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A second handle on a connection's socket, so that another thread can shut it down while the connection's own waits in it.
///
/// The library's own handle would not do: it closes it when the connection is lost, and the number may by then be another's.
final class MySQLSocket: Sendable {
    /// The descriptor, or -1 once it is closed.
    private let descriptor: Mutex<Int32>
    private let wasSevered = Atomic(false)

    init(of connection: UnsafeMutablePointer<MYSQL>) {
        let descriptor = dup(mysql_get_socket(connection))
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.descriptor = Mutex(descriptor)
    }

    deinit { self.close() }

    /// Whether ``sever()`` was called.
    var isSevered: Bool { self.wasSevered.load(ordering: .relaxed) }

    /// Ends the connection: whoever reads from it or writes to it fails at once.
    func sever() {
        self.wasSevered.store(true, ordering: .relaxed)
        self.descriptor.withLock { if $0 >= 0 { _ = shutdown($0, Int32(SHUT_RDWR)) } }
    }

    /// Waits until the server has ended the connection, for a second at most; to be called once nobody else reads from it.
    ///
    /// Until then the server counts it, although we have said that we leave.
    func waitForEnd() {
        let descriptor = self.descriptor.withLock { $0 }
        guard descriptor >= 0 else { return }
        var bytes = (UInt64(0), UInt64(0))
        // What may still come before the end is nothing but the farewell of TLS.
        for _ in 0..<16 {
            var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&readiness, 1, 1_000) == 1 else { return }
            if recv(descriptor, &bytes, MemoryLayout.size(ofValue: bytes), 0) <= 0 { return }
        }
    }

    func close() {
        self.descriptor.withLock { descriptor in
            if descriptor >= 0 { _ = Self.closeDescriptor(descriptor) }
            descriptor = -1
        }
    }

    private static func closeDescriptor(_ descriptor: Int32) -> Int32 {
        #if canImport(Glibc)
            Glibc.close(descriptor)
        #else
            Darwin.close(descriptor)
        #endif
    }
}
