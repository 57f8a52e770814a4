// SPDX-License-Identifier: Apache-2.0
// What the C loops share: the command line and the answer of SQLBench (see sqlbench.py), the rows, the clocks.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROWS = 100000, PAGE = 100, LAST = ROWS - PAGE + 1, UNSUPPORTED = 64 };
static const double WARM_UP = 0.3;

struct options {
    const char *name, *url;
    int tasks, connections;
    double seconds;
};

struct user {
    int64_t id, age, created_at;
    char name[64], email[64];
    double score;
    int active;
};

#define CHECK(condition, message) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (message)); \
            exit(1); \
        } \
    } while (0)

static inline struct options parse(int count, char **arguments) {
    CHECK(count == 10, "usage: LOOP CASE --url URL --tasks N --connections N --seconds S");
    struct options o = {.name = arguments[1]};
    for (int i = 2; i < count; i += 2) {
        if (!strcmp(arguments[i], "--url")) o.url = arguments[i + 1];
        if (!strcmp(arguments[i], "--tasks")) o.tasks = atoi(arguments[i + 1]);
        if (!strcmp(arguments[i], "--connections")) o.connections = atoi(arguments[i + 1]);
        if (!strcmp(arguments[i], "--seconds")) o.seconds = atof(arguments[i + 1]);
    }
    CHECK(o.url && o.tasks > 0 && o.connections > 0 && o.seconds > 0, "an option is missing");
    return o;
}

static inline int unsupported(void) {
    fprintf(stderr, "unsupported\n");
    return UNSUPPORTED;
}

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static inline double cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

// An id from 1...LAST (splitmix64).
static inline int64_t random_id(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (int64_t)((z ^ (z >> 31)) % LAST) + 1;
}

static inline struct user expected(int64_t id) {
    struct user u = {.id = id, .age = 18 + id % 60, .created_at = 1704067200000000 + id * 1000001,
                     .score = id * 0.5, .active = id % 2 == 0};
    snprintf(u.name, sizeof u.name, "user name %lld", (long long)id);
    snprintf(u.email, sizeof u.email, "user%lld@example.com", (long long)id);
    return u;
}

static inline void check_same(struct user got, struct user want) {
    CHECK(got.id == want.id && got.age == want.age && got.created_at == want.created_at && got.score == want.score
          && got.active == want.active && !strcmp(got.name, want.name) && !strcmp(got.email, want.email),
          "a row was read wrongly");
}

static inline int answer(long operations, double seconds, double cpu_seconds) {
    printf("{\"operations\": %ld, \"seconds\": %.6f, \"cpuSeconds\": %.6f, \"checked\": true}\n",
           operations, seconds, cpu_seconds);
    return 0;
}
