// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import Hummingbird
public import NIOCore
import Sluice

/// What is known of one request while it is answered.
public struct RequestScope: RequestContext {
    /// What Hummingbird keeps.
    public var coreContext: CoreRequestContextStorage
    /// The largest body accepted, in bytes: the setting `http.maximumBodyBytes`.
    public internal(set) var maxUploadSize = ServerSettings.maximumBodyBytes.fallback
    /// The longest a body may take to arrive, in seconds: the setting `http.bodyTimeoutSeconds`.
    var bodyTimeout = Pipeline("http.body") { Deadline(.seconds(ServerSettings.bodyTimeout.fallback)) }

    /// Creates the scope of a request that has just come in.
    public init(source: Source) {
        self.coreContext = CoreRequestContextStorage(source: source)
    }

    /// Reads a request's body whole.
    ///
    /// - Throws: Status 413 if it is larger than ``maxUploadSize``; ``Problem`` `slow-request`, status 408, if it takes longer
    ///   to arrive than the setting `http.bodyTimeoutSeconds` allows.
    public func body(of request: Request) async throws -> ByteBuffer {
        do {
            return try await self.bodyTimeout { try await request.body.collect(upTo: self.maxUploadSize) }
        } catch is TimeoutError {
            throw Problem(
                .requestTimeout, "slow-request", title: "Too slow", detail: "The request's body did not arrive in time."
            )
        }
    }

    /// Writes JSON with its keys in order, so that equal answers are equal bytes.
    public var responseEncoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}
