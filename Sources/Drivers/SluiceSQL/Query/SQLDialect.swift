// SPDX-License-Identifier: Apache-2.0

/// How an engine wants its statements written, as far as they differ.
///
/// Identifiers are quoted with double quotes on every engine, as the standard says: MySQL and MariaDB are told so when a
/// connection is opened (`sql_mode = ANSI_QUOTES`).
public enum SQLDialect: String, Sendable, Hashable, CaseIterable {
    case sqlite
    case postgres
    case mysql

    /// Whether a parameter is written `$1` and not `?`.
    var hasNumberedParameters: Bool { self == .postgres }
}
