// SPDX-License-Identifier: Apache-2.0

extension SQLQuery {
    /// The statement's first word, in upper case, behind whatever blanks, parentheses and comments.
    package var firstWord: String {
        var text = self.pieces[0][...]
        while let first = text.unicodeScalars.first {
            if first.properties.isWhitespace || first == "(" {
                text = text.dropFirst()
            } else if text.hasPrefix("--") {
                text = text.drop { !$0.isNewline }
            } else if text.hasPrefix("/*") {
                text = Self.behindComment(text)
            } else {
                break
            }
        }
        return text.prefix { $0.isLetter }.uppercased()
    }

    /// Comments may lie one inside the other, as the standard and PostgreSQL have it.
    private static func behindComment(_ text: Substring) -> Substring {
        var (rest, depth) = (text, 0)
        repeat {
            if rest.hasPrefix("/*") {
                depth += 1
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("*/") {
                depth -= 1
                rest = rest.dropFirst(2)
            } else {
                rest = rest.dropFirst()
            }
        } while depth > 0 && !rest.isEmpty
        return rest
    }

    /// Whether running the statement may change something, as far as its text tells: it does not begin like one that only reads, or
    /// begins with `WITH` or `EXPLAIN` and speaks of more.
    var mayChange: Bool {
        // Most of all statements, told without a look at their words.
        if self.pieces[0].utf8.starts(with: "SELECT ".utf8) { return false }
        let word = self.firstWord
        if word == "WITH" || word == "EXPLAIN" { return self.pieces.contains(where: Self.speaksOfChange) }
        return !Self.readingWords.contains(word)
    }

    private static func speaksOfChange(_ text: String) -> Bool {
        text.split { !$0.isLetter && $0 != "_" }.contains { self.changingWords.contains($0.uppercased()) }
    }

    /// Whether the statement may leave something in its session that outlives its transaction, as far as its text tells: settings,
    /// locks, temporary tables, what is prepared or listened to.
    package var marksSession: Bool {
        let text = self.pieces.joined(separator: "?").uppercased()
        let words = text.split { !$0.isLetter && $0 != "_" }
        if words.contains(where: { Self.markingFunctions.contains(String($0)) }) { return true }
        let first = self.firstWord
        let second = words.drop { $0 != first }.dropFirst().first
        switch first {
        case "SET": return second != "LOCAL" && second != "TRANSACTION" && second != "CONSTRAINTS"
        case "LOCK": return second == "TABLES"
        case "CREATE": return second == "TEMP" || second == "TEMPORARY"
        case "DECLARE": return words.contains("HOLD")
        default: return Self.markingWords.contains(first)
        }
    }

    private static let markingWords: Set<String> = ["LISTEN", "LOAD", "PREPARE", "USE", "HANDLER"]
    private static let markingFunctions: Set<String> = [
        "SET_CONFIG", "GET_LOCK", "PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK",
        "PG_TRY_ADVISORY_LOCK_SHARED",
    ]
    private static let readingWords: Set<String> = [
        "SELECT", "VALUES", "SHOW", "DESCRIBE", "PRAGMA", "SET", "TABLE",
    ]
    private static let changingWords: Set<String> = ["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"]
}
