// SPDX-License-Identifier: Apache-2.0

/// How an engine is asked for its schema; every engine's answers have the same columns.
///
/// - Source: sqlite.org, "PRAGMA functions"; PostgreSQL 15, "System Catalogs"; MariaDB, "Information Schema Tables".
struct SchemaQueries {
    let dialect: SQLDialect

    init(_ dialect: SQLDialect) { self.dialect = dialect }

    /// `name`.
    var tables: SQLQuery {
        switch self.dialect {
        case .sqlite:
            """
            SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name
            """
        case .postgres:
            """
            SELECT CAST(tablename AS text) AS name FROM pg_catalog.pg_tables WHERE schemaname = current_schema()
            ORDER BY tablename
            """
        case .mysql:
            """
            SELECT table_name AS name FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name
            """
        }
    }

    /// `name`, `type`, `nullable`, `value`, in order.
    func columns(of table: String) -> SQLQuery {
        switch self.dialect {
        case .sqlite:
            // The key of a table that is ordered by it is never null, declared so or not.
            """
            SELECT name, type, pk, dflt_value AS value,
                CASE WHEN "notnull" = 1 OR (pk > 0 AND upper(type) = 'INTEGER') THEN 0 ELSE 1 END AS nullable
            FROM pragma_table_info(\(table)) ORDER BY cid
            """
        case .postgres:
            """
            SELECT CAST(a.attname AS text) AS name, format_type(a.atttypid, a.atttypmod) AS type,
                CASE WHEN a.attnotnull THEN 0 ELSE 1 END AS nullable, pg_get_expr(d.adbin, d.adrelid) AS value
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE n.nspname = current_schema() AND c.relname = \(table) AND c.relkind IN ('r', 'p')
                AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum
            """
        case .mysql:
            """
            SELECT column_name AS name, CAST(column_type AS CHAR) AS type, CAST(column_default AS CHAR) AS value,
                CASE WHEN is_nullable = 'YES' THEN 1 ELSE 0 END AS nullable
            FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = \(table)
            ORDER BY ordinal_position
            """
        }
    }

    /// `name`, `part`, `is_unique`, `is_primary`, in order of the columns.
    func indexes(of table: String) -> SQLQuery {
        switch self.dialect {
        case .sqlite:
            """
            SELECT l.name AS name, i.name AS part, l."unique" AS is_unique,
                CASE WHEN l.origin = 'pk' THEN 1 ELSE 0 END AS is_primary
            FROM pragma_index_list(\(table)) AS l, pragma_index_info(l.name) AS i ORDER BY l.name, i.seqno
            """
        case .postgres:
            """
            SELECT CAST(x.relname AS text) AS name, CAST(a.attname AS text) AS part,
                CASE WHEN i.indisunique THEN 1 ELSE 0 END AS is_unique,
                CASE WHEN i.indisprimary THEN 1 ELSE 0 END AS is_primary
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
            CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY AS k (number, place)
            LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            WHERE n.nspname = current_schema() AND c.relname = \(table) AND k.place <= i.indnkeyatts
            ORDER BY x.relname, k.place
            """
        case .mysql:
            """
            SELECT index_name AS name, column_name AS part, CASE WHEN non_unique = 0 THEN 1 ELSE 0 END AS is_unique,
                CASE WHEN index_name = 'PRIMARY' THEN 1 ELSE 0 END AS is_primary
            FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = \(table)
            ORDER BY index_name, seq_in_index
            """
        }
    }

    /// `name`, `part`, `referenced_table`, `referenced`, `on_delete`, `on_update`, in order of the columns.
    func foreignKeys(of table: String) -> SQLQuery {
        switch self.dialect {
        case .sqlite:
            """
            SELECT CAST(id AS TEXT) AS name, "from" AS part, "table" AS referenced_table, "to" AS referenced,
                on_delete, on_update
            FROM pragma_foreign_key_list(\(table)) ORDER BY id, seq
            """
        case .postgres:
            """
            SELECT CAST(k.conname AS text) AS name, CAST(a.attname AS text) AS part,
                CAST(f.relname AS text) AS referenced_table, CAST(b.attname AS text) AS referenced,
                \(Self.action("k.confdeltype")) AS on_delete, \(Self.action("k.confupdtype")) AS on_update
            FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
            CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS p (own, other, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.own
            JOIN pg_catalog.pg_attribute b ON b.attrelid = f.oid AND b.attnum = p.other
            WHERE k.contype = 'f' AND n.nspname = current_schema() AND c.relname = \(table)
            ORDER BY k.conname, p.place
            """
        case .mysql:
            """
            SELECT k.constraint_name AS name, k.column_name AS part, k.referenced_table_name AS referenced_table,
                k.referenced_column_name AS referenced, r.delete_rule AS on_delete, r.update_rule AS on_update
            FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
                ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
                AND r.table_name = k.table_name
            WHERE k.table_schema = DATABASE() AND k.table_name = \(table) AND k.referenced_table_name IS NOT NULL
            ORDER BY k.constraint_name, k.ordinal_position
            """
        }
    }

    private static func action(_ column: String) -> SQLQuery {
        SQLQuery(
            stringLiteral: """
                CASE \(column) WHEN 'c' THEN 'CASCADE' WHEN 'r' THEN 'RESTRICT' WHEN 'n' THEN 'SET NULL'
                WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END
                """)
    }

    /// SQLite's primary key, which has no index where it is the order of the table itself.
    static func sqliteKey(_ columns: some Sequence<SQLRow>) throws -> [String] {
        try columns.map { (try $0.decode("pk", as: Int.self), try $0.decode("name", as: String.self)) }
            .filter { $0.0 > 0 }.sorted { $0.0 < $1.0 }.map(\.1)
    }
}
