// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The mode and the open connections of a proxy, known to all threads.
final class FaultProxyRegistry: Sendable {
    /// A mode, and how many came before it: the same mode set again counts its bytes anew.
    struct Current: Sendable {
        var mode = FaultProxy.Mode.pass
        var number = 0
    }

    private struct State {
        var current = Current()
        /// The modes of connections that have one of their own.
        var own: [Int: Current] = [:]
        var lastNumber = 0
        var links: [Int: FaultProxyLink] = [:]
        /// Those of `links` whose client has not ended its side.
        var clients: Set<Int> = []
        var acceptedCount = 0
        var bytesRead: [FaultProxy.Direction: Int] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// What happens to new connections.
    var current: Current { self.state.withLock { $0.current } }
    var connectionCount: Int { self.state.withLock { $0.links.count } }
    var clientCount: Int { self.state.withLock { $0.clients.count } }
    var acceptedCount: Int { self.state.withLock { $0.acceptedCount } }
    var links: [FaultProxyLink] { self.state.withLock { Array($0.links.values) } }

    /// What happens to one connection.
    func current(of id: Int) -> Current { self.state.withLock { $0.own[id] ?? $0.current } }

    func bytesRead(_ direction: FaultProxy.Direction) -> Int {
        self.state.withLock { $0.bytesRead[direction, default: 0] }
    }

    /// Enters a connection, unless the proxy is closed.
    func admit(_ make: (_ id: Int, Current) -> FaultProxyLink) -> FaultProxyLink? {
        self.state.withLock { state in
            if state.isClosed { return nil }
            state.acceptedCount += 1
            let link = make(state.acceptedCount, state.current)
            state.links[link.id] = link
            state.clients.insert(link.id)
            return link
        }
    }

    /// Says that a connection's client has ended its side.
    func clientEnded(_ id: Int) {
        self.state.withLock { _ = $0.clients.remove(id) }
    }

    /// Says that a connection is gone.
    func remove(_ id: Int) {
        self.state.withLock { state in
            state.links[id] = nil
            state.own[id] = nil
            state.clients.remove(id)
        }
    }

    /// Counts bytes that were read.
    func count(_ bytes: Int, _ direction: FaultProxy.Direction) {
        self.state.withLock { $0.bytesRead[direction, default: 0] += bytes }
    }

    /// Changes the mode, of all connections or of those that are open.
    ///
    /// - Returns: The connections that have to adopt it.
    func set(_ mode: FaultProxy.Mode, for scope: FaultProxy.Scope) -> [FaultProxyLink] {
        self.state.withLock { state in
            state.lastNumber += 1
            let current = Current(mode: mode, number: state.lastNumber)
            switch scope {
            case .allConnections: (state.current, state.own) = (current, [:])
            case .openConnections: state.own = state.links.mapValues { _ in current }
            }
            return Array(state.links.values)
        }
    }

    /// Admits nobody any more.
    ///
    /// - Returns: The connections that are left to end.
    func close() -> [FaultProxyLink] {
        self.state.withLock { state in
            state.isClosed = true
            return Array(state.links.values)
        }
    }
}
