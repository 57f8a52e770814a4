// SPDX-License-Identifier: Apache-2.0

/// What attackers put where a value or a name is expected.
///
/// - Source: the kinds of OWASP's "SQL Injection Prevention" and "Testing for SQL Injection" guides, and of PostgreSQL's own quoting
///   rules: quotes, comments, stacked statements, dollar quotes, escapes, and characters that only look like quotes.
enum InjectionPayloads {
    static let all: [String] = [
        "'", "''", "'''", "\"", "\"\"", "`", "\\", "\\'", "\\\\'", "';", "\";", "')", "'))", "\")", "--", "-- ", "#",
        "/*", "*/", "/**/",
        "' --", "' #", "' /*", "';--", "\";--", "'; --", "1; --", "%", "_", "%'", "$1", "$2", "?", ":name", "@name",
        "$$", "$tag$", "$$;",
        "' OR '1'='1", "' OR 1=1 --", "' OR 1=1#", "\" OR \"\"=\"", "' OR ''='", "') OR ('1'='1", "1 OR 1=1",
        "1) OR (1=1",
        "admin'--", "admin' /*", "' AND 1=0 UNION ALL SELECT usename, passwd FROM pg_shadow --",
        "' UNION SELECT NULL, NULL, version() --", "1 UNION SELECT 1",
        "' UNION SELECT table_name FROM information_schema.tables --",
        "'; DROP TABLE accounts; --", "\"; DROP TABLE accounts; --", "1; DROP TABLE accounts",
        "Robert'); DROP TABLE students;--",
        "'; DELETE FROM accounts; COMMIT; --", "'; COMMIT; --", "'; ROLLBACK; --", "'; SELECT pg_sleep(1000); --",
        "' || pg_sleep(1000) || '", "' AND (SELECT 1 FROM pg_sleep(1000)) = 1 --", "1 AND pg_sleep(1000) IS NULL",
        "'; COPY accounts TO PROGRAM 'id'; --", "'; COPY (SELECT '') TO '/tmp/sluice-injected'; --",
        "' AND CAST((SELECT version()) AS int) = 1 --", "' || (SELECT version()) || '", "'||''||'",
        "' AND ascii(substr(user,1,1))>64 --",
        "$$; DROP TABLE accounts; $$", "$x$; DROP TABLE accounts; --$x$", "E'\\047; DROP TABLE accounts; --'",
        "U&'\\0027'",
        "\\x27; DROP TABLE accounts; --", "\\047", "%27", "%2527", "&#39;", "\u{2019}; DROP TABLE accounts; --",
        "\u{02BC}", "\u{FF07}",
        "\u{00BF}' OR 1=1 --", "\u{2028}'", "'\n; DROP TABLE accounts\n--", "'\r\n; DROP TABLE accounts\r\n--", "'\t--",
        "\u{FEFF}'",
        "name\"; DROP TABLE accounts; --", "name DESC; DROP TABLE accounts", "name, (SELECT pg_sleep(1000))",
        "(SELECT 1)",
        "CASE WHEN 1=1 THEN id ELSE name END", "id ASC, name", "1, 2", "id;", "public.\"accounts\"", "a.b.c", "\"id\"",
        "id--", "id/**/",
        "pg_catalog.pg_shadow;", "name NULLS FIRST", "*", "", " ", " id", "id ", "0id", "na-me", "näme", "名前",
        "id\u{0}",
        "{\"a\": 1}", "$.a", "a' = 'a", "'->>'x", "\"}'; DROP TABLE accounts; --", "{\"$ne\": null}", "[]", "null",
        "NULL", "true",
        String(repeating: "a", count: 64), String(repeating: "'", count: 1_000), "🏟'; DROP TABLE accounts; --",
    ]

    /// Those that PostgreSQL can hold as text.
    static let texts = all.filter { !$0.utf8.contains(0) }
}
