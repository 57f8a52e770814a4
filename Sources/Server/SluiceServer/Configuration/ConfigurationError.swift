// SPDX-License-Identifier: Apache-2.0

/// A configured value that cannot be used; stops the start.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The key.
    public let key: String
    /// Where the value came from, for example `environment`.
    public let origin: String
    /// The values allowed, in words.
    public let range: String

    /// Creates an error.
    public init(key: String, origin: String, range: String) {
        self.key = key
        self.origin = origin
        self.range = range
    }

    /// What to change, and where; without the value, which may be a secret in the wrong place.
    public var description: String {
        "the value of \(self.key) from \(self.origin) is not allowed; it must be: \(self.range)"
    }
}
