// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Sluice
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Looks a host up and refuses it before anything is connected, if any of its addresses is not allowed.
///
/// The check that counts is the one on the connection itself; this one comes first so that whoever names a private host learns
/// nothing from how long a connection to it takes, or whether one could be made at all.
struct AddressCheck: Sendable {
    /// Threads for `getaddrinfo`, which blocks; a name server that does not answer holds one of them up, and nothing else.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: 4)
        threads.start()
        return threads
    }()

    let rules: AddressRules
    private let allowed = AllowedHosts()

    init(rules: AddressRules) {
        self.rules = rules
    }

    /// - Throws: ``APIClientError`` of kind `addressNotAllowed`; nothing if the host is not known, since connecting will say
    ///   so; `CancellationError` and `DeadlineReached` at once, even if the name server has not answered.
    func check(authority: String) async throws {
        guard !self.rules.allowsPrivateAddresses else { return }
        let host = Self.host(of: authority)
        if self.allowed.contains(host) { return }
        let addresses = try await Self.lookUp(host)
        guard addresses.allSatisfy(self.rules.allows) else {
            throw APIClientError(.addressNotAllowed, message: "\(host) is or has a private address")
        }
        if !addresses.isEmpty { self.allowed.insert(host) }
    }

    private static func lookUp(_ host: String) async throws -> [SocketAddress] {
        let answer = FirstAnswer<[SocketAddress]>()
        let alarm = OperationContext.current?.atDeadline { answer.settle(.failure(DeadlineReached())) }
        defer { alarm?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                answer.wait(continuation)
                self.threads.submit { state in
                    // A look-up nobody waits for any more is not begun.
                    guard case .active = state, !answer.isSettled else { return }
                    answer.settle(.success(Self.addresses(of: host)))
                }
            }
        } onCancel: {
            answer.settle(.failure(CancellationError()))
        }
    }

    private static func host(of authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    private static func addresses(of host: String) -> [SocketAddress] {
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, nil, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            switch entry.pointee.ai_family {
            case AF_INET:
                entry.pointee.ai_addr.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    addresses.append(SocketAddress($0.pointee, host: host))
                }
            case AF_INET6:
                entry.pointee.ai_addr.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    addresses.append(SocketAddress($0.pointee, host: host))
                }
            default: break
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}

/// The hosts that were looked up and found allowed in the last seconds, so that not every request asks the name server.
private final class AllowedHosts: Sendable {
    private static let lifetime: Duration = .seconds(10)
    private static let maximumCount = 1_000

    private let ends = Mutex<[String: Instant]>([:])

    func contains(_ host: String) -> Bool {
        let end = self.ends.withLock { $0[host] }
        return end.map { SystemTime.shared.now < $0 } ?? false
    }

    func insert(_ host: String) {
        let end = SystemTime.shared.now.advanced(by: Self.lifetime)
        self.ends.withLock { ends in
            if ends.count >= Self.maximumCount { ends.removeAll() }
            ends[host] = end
        }
    }
}

/// Resumes a waiting task with whichever answer comes first, and ignores the rest.
private final class FirstAnswer<Value: Sendable>: Sendable {
    private enum State {
        /// Nobody waits yet. Becomes `waiting` or `settled`.
        case idle
        /// Somebody waits. Becomes `settled`.
        case waiting(CheckedContinuation<Value, any Error>)
        /// The answer has come; kept until somebody waits for it.
        case settled(Result<Value, any Error>?)
    }

    private let state = Mutex(State.idle)

    var isSettled: Bool { self.state.withLock { if case .settled = $0 { true } else { false } } }

    func wait(_ continuation: CheckedContinuation<Value, any Error>) {
        let early = self.state.withLock { state -> Result<Value, any Error>? in
            if case .settled(let result) = state {
                state = .settled(nil)
                return result
            }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(with: early) }
    }

    func settle(_ result: Result<Value, any Error>) {
        let continuation = self.state.withLock { state -> CheckedContinuation<Value, any Error>? in
            switch state {
            case .idle:
                state = .settled(result)
                return nil
            case .waiting(let continuation):
                state = .settled(nil)
                return continuation
            case .settled:
                return nil
            }
        }
        continuation?.resume(with: result)
    }
}
