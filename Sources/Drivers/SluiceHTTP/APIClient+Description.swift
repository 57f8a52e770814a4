// SPDX-License-Identifier: Apache-2.0

extension APIClient: CustomStringConvertible, CustomReflectable {
    /// What it is for, and nothing that it holds.
    public var description: String { "API client \(self.name)" }
    /// A mirror of the name alone: the network library's memory, which `dump` would go through, has credentials in it.
    public var customMirror: Mirror { Mirror(self, children: ["name": self.name]) }
}
