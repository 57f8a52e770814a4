// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A thread of the operating system's, for what must block and so must not run on the cooperative pool.
package enum DedicatedThread {
    /// What a new thread runs; a class, so that a pointer can carry it there.
    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }

    /// Starts a thread that ends when `run` returns.
    ///
    /// - Returns: 0, or the `errno` value that says why no thread could be started.
    package static func start(_ run: @escaping @Sendable () -> Void) -> Int32 {
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let body = Unmanaged.passRetained(Body(run))
        let status = pthread_create(
            &thread, nil,
            { argument in
                // The argument is optional on one platform and not on the other.
                let pointer: UnsafeMutableRawPointer? = argument
                if let pointer { Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        if status != 0 { body.release() } else { Self.detach(thread) }
        return status
    }

    /// Tells the running thread from every other that runs at the same time; never 0.
    package static var currentIdentity: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }

    /// Nobody waits for the thread, so its memory is freed when it ends.
    private static func detach(_ thread: pthread_t?) {
        if let thread { pthread_detach(thread) }
    }
}
