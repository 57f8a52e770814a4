// SPDX-License-Identifier: Apache-2.0

/// The name of a table or column that comes from outside the source code: checked, and quoted where it is put in.
///
/// Letters, digits and underscores, not beginning with a digit, at most 63 bytes, with a dot between a schema and its table.
public struct SQLIdentifier: Sendable, Hashable, CustomStringConvertible {
    /// The name as it was given.
    public let name: String

    /// Checks a name.
    ///
    /// - Throws: ``SQLError`` of kind `statement`; the message does not repeat a name that is refused.
    public init(_ name: String) throws(SQLError) {
        guard Self.isValid(name) else {
            throw SQLError(
                .statement,
                message: "a table's or column's name has letters, digits and underscores alone, and at most 63 of them")
        }
        self.name = name
    }

    /// The name.
    public var description: String { self.name }

    /// The name in double quotes, each part on its own.
    package var quoted: String {
        self.name.split(separator: ".").map { "\"\($0)\"" }.joined(separator: ".")
    }

    static func isValid(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count) && parts.allSatisfy { Self.isPart($0.utf8) }
    }

    private static func isPart(_ part: Substring.UTF8View) -> Bool {
        guard let first = part.first, part.count <= 63, !(0x30...0x39).contains(first) else { return false }
        return part.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): true
            default: false
            }
        }
    }
}
