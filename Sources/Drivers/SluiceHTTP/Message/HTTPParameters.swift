// SPDX-License-Identifier: Apache-2.0

/// Names and values in order, for a query or a form; a name may come more than once.
///
/// ```swift
/// let query: HTTPParameters = ["page": 2, "tag": "new", "tag": "cheap"]
/// ```
public struct HTTPParameters: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// One name with its value, neither of them encoded.
    public struct Parameter: Sendable, Hashable {
        /// The name.
        public let name: String
        /// The value.
        public let value: String

        /// Creates a parameter.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The parameters in order.
    public private(set) var all: [Parameter] = []

    /// Creates parameters.
    public init(_ all: [Parameter] = []) {
        self.all = all
    }

    /// Creates parameters from names and values; a value that is nil leaves its parameter out.
    public init(dictionaryLiteral elements: (String, (any CustomStringConvertible & Sendable)?)...) {
        self.all = elements.compactMap { name, value in value.map { Parameter(name, "\($0)") } }
    }

    /// Whether there are none.
    public var isEmpty: Bool { self.all.isEmpty }

    /// The first value of a name.
    ///
    /// Setting it replaces every value of the name; setting nil removes them.
    public subscript(name: String) -> String? {
        get { self.all.first { $0.name == name }?.value }
        set {
            let index = self.all.firstIndex { $0.name == name } ?? self.all.endIndex
            self.all.removeAll { $0.name == name }
            if let newValue { self.all.insert(Parameter(name, newValue), at: min(index, self.all.endIndex)) }
        }
    }

    /// Adds a value to those that its name has.
    public mutating func append(_ name: String, _ value: String) {
        self.all.append(Parameter(name, value))
    }

    /// As a URL's query, without the question mark.
    public var query: String {
        self.all.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
            .joined(separator: "&")
    }

    /// As an `application/x-www-form-urlencoded` body.
    public var form: String {
        self.all.map { "\(PercentEncoding.form($0.name))=\(PercentEncoding.form($0.value))" }.joined(separator: "&")
    }
}
