// SPDX-License-Identifier: Apache-2.0
// The limit: SQLite's C API in one thread, whatever the number of tasks. `row` reads in autocommit, `many-in-one-visit` in one
// transaction, `bulk-insert` inserts in one.
#include "loop.h"
#include <sqlite3.h>

static sqlite3 *database;

static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *statement;
    CHECK(sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK, sqlite3_errmsg(database));
    return statement;
}

static void run(const char *sql) {
    CHECK(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(database));
}

static void read_text(sqlite3_stmt *statement, int column, char *text) {
    const unsigned char *value = sqlite3_column_text(statement, column);
    int length = sqlite3_column_bytes(statement, column);
    CHECK(value && length < 64, "a text is too long");
    memcpy(text, value, length + 1);
}

static struct user read_row(sqlite3_stmt *statement, int64_t id) {
    struct user u;
    sqlite3_bind_int64(statement, 1, id);
    CHECK(sqlite3_step(statement) == SQLITE_ROW, sqlite3_errmsg(database));
    u.id = sqlite3_column_int64(statement, 0);
    read_text(statement, 1, u.name);
    read_text(statement, 2, u.email);
    u.age = sqlite3_column_int64(statement, 3);
    u.score = sqlite3_column_double(statement, 4);
    u.active = sqlite3_column_int(statement, 5);
    u.created_at = sqlite3_column_int64(statement, 6);
    CHECK(u.id == id, "not the row asked for");
    CHECK(sqlite3_step(statement) == SQLITE_DONE, "more than one row");
    sqlite3_reset(statement);
    return u;
}

static int read_rows(double seconds) {
    sqlite3_stmt *statement = prepare("SELECT * FROM users WHERE id = ?");
    check_same(read_row(statement, 4711), expected(4711));
    uint64_t state = 1;
    for (double end = now() + WARM_UP; now() < end;) read_row(statement, random_id(&state));
    long count = 0;
    double start = now(), used = cpu();
    // Looks at the clock every 64th time: one look is a hundredth of a read.
    while (count % 64 || now() - start < seconds) {
        read_row(statement, random_id(&state));
        count++;
    }
    double time = now() - start;
    used = cpu() - used;
    sqlite3_finalize(statement);
    return answer(count, time, used);
}

static int insert_rows(void) {
    struct user *users = malloc(ROWS * sizeof *users);
    for (int i = 0; i < ROWS; i++) users[i] = expected(i + 1);
    sqlite3_stmt *statement = prepare("INSERT INTO inserted VALUES (?, ?, ?, ?, ?, ?, ?)");
    double start = now(), used = cpu();
    run("BEGIN IMMEDIATE");
    for (struct user *u = users; u < users + ROWS; u++) {
        sqlite3_bind_int64(statement, 1, u->id);
        sqlite3_bind_text(statement, 2, u->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, u->email, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, u->age);
        sqlite3_bind_double(statement, 5, u->score);
        sqlite3_bind_int(statement, 6, u->active);
        sqlite3_bind_int64(statement, 7, u->created_at);
        CHECK(sqlite3_step(statement) == SQLITE_DONE, sqlite3_errmsg(database));
        sqlite3_reset(statement);
    }
    run("COMMIT");
    double time = now() - start;
    used = cpu() - used;
    sqlite3_finalize(statement);
    free(users);
    return answer(ROWS, time, used);
}

int main(int count, char **arguments) {
    struct options o = parse(count, arguments);
    CHECK(!strncmp(o.url, "sqlite:", 7), "not an sqlite: URL");
    CHECK(sqlite3_open_v2(o.url + 7, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK, "no database");
    run("PRAGMA synchronous = NORMAL");
    int status;
    if (!strcmp(o.name, "row")) {
        status = read_rows(o.seconds);
    } else if (!strcmp(o.name, "many-in-one-visit")) {
        run("BEGIN");
        status = read_rows(o.seconds);
        run("COMMIT");
    } else if (!strcmp(o.name, "bulk-insert")) {
        status = insert_rows();
    } else {
        return unsupported();
    }
    sqlite3_close(database);
    return status;
}
