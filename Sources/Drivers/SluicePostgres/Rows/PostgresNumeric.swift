// SPDX-License-Identifier: Apache-2.0

/// PostgreSQL's binary decimals: digits to the base of 10,000, so that no figure is lost.
///
/// - Source: PostgreSQL 15, `src/backend/utils/adt/numeric.c`, `numeric_send`.
enum PostgresNumeric {
    /// The decimal as text, as the server would write it.
    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        let count = Int(bytes.integer(Int16.self))
        let weight = Int(bytes.integer(Int16.self, at: 2))
        let scale = Int(bytes.integer(UInt16.self, at: 6))
        switch bytes.integer(UInt16.self, at: 4) {
        case 0xC000: return "NaN"
        case 0xD000: return "Infinity"
        case 0xF000: return "-Infinity"
        case 0x4000: return "-" + Self.digits(bytes, count, weight, scale)
        default: return Self.digits(bytes, count, weight, scale)
        }
    }

    private static func digits(_ bytes: UnsafeRawBufferPointer, _ count: Int, _ weight: Int, _ scale: Int) -> String {
        func group(_ position: Int) -> String {
            // The group at `position` counts the power `weight - position` of 10,000.
            let value = (0..<count).contains(position) ? Int(bytes.integer(Int16.self, at: 8 + 2 * position)) : 0
            let text = String(value)
            return String(repeating: "0", count: 4 - text.count) + text
        }
        let whole = weight < 0 ? "" : (0...weight).map(group).joined()
        let trimmed = whole.drop { $0 == "0" }
        var text = trimmed.isEmpty ? "0" : String(trimmed)
        if scale > 0 {
            let groups = (scale + 3) / 4
            text += "." + (1...groups).map { group(weight + $0) }.joined().prefix(scale)
        }
        return text
    }
}
