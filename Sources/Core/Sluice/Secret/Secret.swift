// SPDX-License-Identifier: Apache-2.0

/// A password, key or token, which no description, mirror or log shows.
///
/// ```swift
/// let key: Secret = "s3cr3t"
/// print(key)         // ***
/// key.reveal()       // s3cr3t
/// ```
public struct Secret: Sendable, Hashable, ExpressibleByStringLiteral {
    private let value: String

    /// Wraps a value.
    public init(_ value: String) {
        self.value = value
    }

    /// Wraps a value, which belongs into tests and examples alone.
    public init(stringLiteral value: String) {
        self.value = value
    }

    /// The value itself: to be sent, and never to be printed.
    public func reveal() -> String { self.value }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Stars.
    public var description: String { "***" }
    /// Stars.
    public var debugDescription: String { "***" }
    /// A mirror of nothing, so that neither `dump` nor reflection finds the value.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
