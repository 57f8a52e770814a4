#include <sqlite3.h>

// Has SQLite take a name in double quotes for a name alone: by default one that no column has is a text, and so a condition on a
// misspelt column could be true of every row. Here because Swift cannot call functions with variable arguments.
static inline int sluice_sqlite3_refuse_quoted_text(sqlite3 *connection) {
    int status = sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, (int *)0);
    return status == SQLITE_OK ? sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)0) : status;
}
