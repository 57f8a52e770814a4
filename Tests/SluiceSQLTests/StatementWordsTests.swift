// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SluiceSQL

@Suite("What a statement's text tells")
struct StatementWordsTests {
    @Test(
        "its first word is found behind blanks, parentheses and comments",
        arguments: [
            ("select 1", "SELECT"), ("  \n(SELECT 1)", "SELECT"), ("/* job 7 */ BEGIN", "BEGIN"),
            ("-- x\n-- y\nSET a = 1", "SET"), ("/* a /* b */ c */insert INTO t", "INSERT"), ("", ""), ("/* open", ""),
        ])
    func firstWord(text: String, word: String) {
        #expect(SQLQuery(stringLiteral: text).firstWord == word)
    }

    @Test(
        "it may change something unless it only reads",
        arguments: [
            ("SELECT 1", false), ("/* x */ select 1", false), ("WITH a AS (SELECT 1) SELECT * FROM a", false),
            ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", true), ("INSERT INTO t VALUES (1)", true),
            ("-- SELECT\nDELETE FROM t", true), ("BEGIN", true), ("EXPLAIN SELECT 1", false),
            ("EXPLAIN ANALYZE DELETE FROM t", true),
            ("WITH updates AS (SELECT 1) SELECT * FROM updates", false),
        ])
    func mayChange(text: String, changes: Bool) {
        #expect(SQLQuery(stringLiteral: text).mayChange == changes)
    }
}
