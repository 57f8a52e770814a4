// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import Hummingbird

/// What is known of one request while it is answered.
public struct RequestScope: RequestContext {
    /// What Hummingbird keeps.
    public var coreContext: CoreRequestContextStorage
    /// The largest body accepted, in bytes: the setting `http.maximumBodyBytes`.
    public internal(set) var maxUploadSize = ServerSettings.maximumBodyBytes.fallback

    /// Creates the scope of a request that has just come in.
    public init(source: Source) {
        self.coreContext = CoreRequestContextStorage(source: source)
    }

    /// Writes JSON with its keys in order, so that equal answers are equal bytes.
    public var responseEncoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}
