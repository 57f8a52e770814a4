// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
public import SluiceHTTP

/// What every HTTP transport must do alike, as checks against servers that do exactly what they are told.
///
/// ```swift
/// @Test("keeps the contract", arguments: HTTPTransportContract.checks)
/// func contract(check: HTTPTransportContract.Check) async throws { try await check.run { MyTransport() } }
/// ```
public enum HTTPTransportContract {
    /// What a transport can do that not all can.
    public struct Capabilities: OptionSet, Sendable, Hashable {
        /// The options, as bits.
        public let rawValue: Int
        /// States options.
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// Who reads slowly holds the server up.
        public static let backPressure = Self(rawValue: 1)
        /// A server that ends within an answer's head does no harm.
        public static let cutHeads = Self(rawValue: 2)
        /// Its own connections can fail, and it tells how.
        public static let network = Self(rawValue: 4)
    }

    /// One thing that must hold.
    public struct Check: Sendable, CustomStringConvertible {
        /// What must hold, as a sentence.
        public let name: String
        /// What the transport must be capable of for this to apply.
        public let needs: Capabilities
        /// Whether it is about an answer that is read while it arrives, which `fetch` may bring whole alone.
        let isStreamed: Bool
        let body: @Sendable (any HTTPTransport) async throws -> Void

        init(
            _ name: String, needs: Capabilities = [], isStreamed: Bool = false,
            _ body: @escaping @Sendable (any HTTPTransport) async throws -> Void
        ) {
            self.name = name
            self.needs = needs
            self.isStreamed = isStreamed
            self.body = body
        }

        /// The name.
        public var description: String { self.name }

        /// Checks it on transports of its own, which may talk to loopback and are closed afterwards: by `send`, and by `fetch`.
        ///
        /// - Throws: ``HTTPContractFailure`` if it does not hold; whatever the transport throws unexpectedly.
        public func run(_ make: () throws -> any HTTPTransport) async throws {
            try await self.run(on: try make())
            if !self.isStreamed { try await self.run(on: Fetching(base: try make())) }
        }

        private func run(on transport: any HTTPTransport) async throws {
            do {
                try await self.body(transport)
            } catch {
                await transport.close()
                throw error
            }
            await transport.close()
        }
    }

    /// Every check.
    public static let checks: [Check] = Self.exchanges + Self.bodies + Self.failures

    /// The checks that apply to a transport.
    public static func checks(for capabilities: Capabilities) -> [Check] {
        self.checks.filter { capabilities.isSuperset(of: $0.needs) }
    }

    /// Sends by `fetch`.
    private struct Fetching: HTTPTransport {
        let base: any HTTPTransport

        func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
            try await self.base.fetch(request, body: body, upTo: 1 << 20)
        }

        func close() async { await self.base.close() }
    }

    static func request(_ port: Int) -> HTTPRequest { Self.request(.get, port) }

    static func request(_ method: HTTPRequest.Method, _ port: Int, _ path: String = "/", _ fields: HTTPFields = [:])
        -> HTTPRequest
    {
        HTTPRequest(method: method, scheme: "http", authority: "127.0.0.1:\(port)", path: path, headerFields: fields)
    }

    static func expect(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        guard condition else { throw HTTPContractFailure(description: what()) }
    }

    static func expectEqual<Value: Equatable>(_ value: Value, _ expected: Value, _ what: String) throws {
        guard value == expected else {
            throw HTTPContractFailure(description: "\(what) should be \(expected) and is \(value)")
        }
    }

    static func expectError(
        _ kinds: APIClientError.Kind..., what: String, _ work: () async throws -> Void
    ) async throws {
        do {
            try await work()
        } catch let error as APIClientError where kinds.contains(error.kind) {
            return
        } catch {
            throw HTTPContractFailure(description: "\(what) should be an error \(kinds) and is \(error)")
        }
        throw HTTPContractFailure(description: "\(what) should be an error \(kinds) and is none")
    }

    static func text(_ response: HTTPTransportResponse, upTo limit: Int = 1 << 20) async throws -> String {
        String(buffer: try await response.collect(upTo: limit))
    }
}

/// Something that the contract says and the transport does not do.
public struct HTTPContractFailure: Error, CustomStringConvertible {
    /// What was expected, and what happened.
    public let description: String
}
