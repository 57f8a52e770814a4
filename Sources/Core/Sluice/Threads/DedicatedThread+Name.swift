// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension DedicatedThread {
    /// Names the running thread for debuggers and `top`, as far as there is room: 15 bytes on Linux, 63 on Darwin.
    package static func nameCurrent(_ name: String) {
        #if canImport(Darwin)
            pthread_setname_np(String(name.prefix(63)))
        #else
            // The C function for it is a GNU extension, which Swift does not see. A thread without a name works as well.
            let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { return }
            _ = name.withCString { write(file, $0, strlen($0)) }
            close(file)
        #endif
    }
}
