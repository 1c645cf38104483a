// The bare SQLite loop: inserts the rows that `Benchmarks store` has our store write, durably, into the same tables,
// with nothing around the inserts. It decides nothing, looks nothing up, hashes nothing, and has no threads.
//
//     events_sqlite events|identify FILE BATCH ROWS SECONDS
//
// FILE is an empty store, made by `Benchmarks empty-store`, so the tables are always the ones that are compared with.
// Commits BATCH rows at a time until ROWS are stored or SECONDS have gone by, and prints the figures as JSON lines.
// Random numbers, texts and settings are those of SampleEvents.swift, StoreBenchmarks.swift and SQLiteOptions.swift.

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { uuid_size = 36, hash_size = 16, arrival_size = 32, properties_room = 640 };

static const int64_t project = 1, received = 1800000000000;

static void fail(sqlite3 *db, const char *what) {
    fprintf(stderr, "events_sqlite: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
    exit(1);
}

static uint64_t next_random(void) {
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

// ---- rows, all made before the clock starts

typedef struct {
    int64_t time;
    const char *name;
    char sent_id[uuid_size + 1], insert_id[20], other_id[uuid_size + 1];
    char hash[hash_size];
    int properties_size;
    char *properties;
} row;

static void make_uuid(char *text) {
    const uint64_t a = next_random(), b = next_random();
    sprintf(text, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
            (unsigned)(a & 0xfff), (unsigned)(b >> 48 & 0xfff), (unsigned long long)(b & 0xffffffffffff));
}

// Our store hashes what makes an event one; to the tables a hash is 16 random bytes. It has random numbers of its own.
static void make_hash(char *hash) {
    static uint64_t state = 0x9e3779b97f4a7c15;
    for (int half = 0; half < 2; half++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(hash + 8 * half, &state, 8);
    }
}

static void keep_properties(row *row, const char *text, int size) {
    row->properties = malloc(size);
    if (!row->properties) { fail(NULL, "no memory"); }
    memcpy(row->properties, text, size);
    row->properties_size = size;
}

static void make_event(row *row) {
    static const char *names[] = {"Page View", "Product Viewed", "Add to Cart", "Checkout"};
    static const char *browsers[] = {"Chrome", "Safari", "Firefox", "Edge"};
    static const char *cities[] = {"San Francisco", "Berlin", "Tokyo", "Sao Paulo", "Pune", "Paris", "Lagos"};
    static int64_t clock = 1700000000000;
    char text[properties_room];
    int size = 0;
    clock += next_random() % 20;
    row->time = clock - (int64_t)(next_random() % 5000);
    row->name = names[next_random() % 4];
    make_uuid(row->sent_id);
    sprintf(row->insert_id, "%016llx", (unsigned long long)next_random());
    make_hash(row->hash);
    size += sprintf(text + size, "{\"$browser\":\"%s\"", browsers[next_random() % 4]);
    size += sprintf(text + size, ",\"$browser_version\":%d", (int)(100 + next_random() % 30));
    size += sprintf(text + size, ",\"$city\":\"%s\",\"mp_country_code\":\"US\"", cities[next_random() % 7]);
    size += sprintf(text + size, ",\"$current_url\":\"https://example.com/products/%d?utm_source=x\"",
                    (int)(next_random() % 100000));
    size += sprintf(text + size, ",\"$device\":\"iPhone\",\"$initial_referrer\":\"$direct\"");
    size += sprintf(text + size, ",\"$lib_version\":\"2.45.0\"");
    size += sprintf(text + size, ",\"$os\":\"iOS\",\"$screen_height\":844,\"$screen_width\":390,\"mp_lib\":\"web\"");
    size += sprintf(text + size, ",\"Amount\":%d.", (int)(next_random() % 500));
    size += sprintf(text + size, "%d", (int)(10 + next_random() % 90));
    size += sprintf(text + size, ",\"$referrer\":\"https://search.example.com/results?q=running+shoes\"");
    size += sprintf(text + size, ",\"$search_engine\":\"example\"}");
    keep_properties(row, text, size);
}

static void make_identify(row *row, long number) {
    char text[properties_room];
    row->time = received + number / 10;
    row->name = "$identify";
    sprintf(row->sent_id, "customer-%ld", number);
    make_uuid(row->other_id);
    make_hash(row->hash);
    const int size = sprintf(
        text, "{\"$identified_id\":\"%s\",\"$anon_id\":\"%s\",\"mp_lib\":\"web\",\"$lib_version\":\"2.45.0\"}",
        row->sent_id, row->other_id);
    keep_properties(row, text, size);
}

// ---- statements

static sqlite3 *db;
static sqlite3_stmt *begin, *commit, *event, *arrivals, *identity, *entry, *entry_node, *link_row;

static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) { fail(db, sql); }
    return statement;
}

static void run(sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) { fail(db, sqlite3_sql(statement)); }
    sqlite3_reset(statement);
}

static void bind_blob(sqlite3_stmt *statement, int place, const void *bytes, size_t size) {
    sqlite3_bind_blob64(statement, place, bytes, size, SQLITE_STATIC);
}

static void bind_numbers(sqlite3_stmt *statement, int place, const int64_t *values, int count) {
    for (int index = 0; index < count; index++) { sqlite3_bind_int64(statement, place + index, values[index]); }
}

// Opens and sets what our store does on its writing connection, and reads back what durability and size rest on.
static void open_store(const char *path) {
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) { fail(db, path); }
    const char *settings = "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
                           "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";
    if (sqlite3_exec(db, settings, NULL, NULL, NULL) != SQLITE_OK) { fail(db, "settings"); }
    static const char *checks[][2] = {
        {"PRAGMA synchronous", "2"}, {"PRAGMA journal_mode", "wal"}, {"PRAGMA page_size", "8192"}};
    for (int index = 0; index < 3; index++) {
        sqlite3_stmt *check = prepare(checks[index][0]);
        if (sqlite3_step(check) != SQLITE_ROW) { fail(db, checks[index][0]); }
        if (strcmp((const char *)sqlite3_column_text(check, 0), checks[index][1])) { fail(db, checks[index][0]); }
        sqlite3_finalize(check);
    }
    begin = prepare("BEGIN IMMEDIATE");
    commit = prepare("COMMIT");
    event = prepare("INSERT OR REPLACE INTO event (project, time, hash, name, sent_id, filed_id, insert_id, properties,"
                    " endpoint, received, sequence, conflict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    arrivals = prepare("INSERT INTO arrivals (project, packed) VALUES (?, ?)");
    identity = prepare("INSERT INTO identity (project, key, distinct_id, first_sequence, first_seen, anonymous_form,"
                       " parent, joined_sequence, next, link_order, identified_sequence, alias_sequence, size,"
                       " canonical, canonical_rank, canonical_since, identified_count)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    entry = prepare("INSERT INTO log (project, sequence, time, verb, primary_id, secondary_id, outcome, refusal,"
                    " has_link, cluster_size, max_cluster_size, endpoint, principal)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    entry_node = prepare("INSERT INTO log_node (project, node, sequence) VALUES (?, ?, ?)");
    link_row = prepare("INSERT INTO link (project, sequence, verb, from_key, to_key) VALUES (?, ?, ?, ?, ?)");
}

// ---- inserts

static void insert_event(const row *row, int64_t sequence) {
    sqlite3_bind_int64(event, 1, project);
    sqlite3_bind_int64(event, 2, row->time);
    bind_blob(event, 3, row->hash, hash_size);
    bind_blob(event, 4, row->name, strlen(row->name));
    bind_blob(event, 5, row->sent_id, strlen(row->sent_id));
    sqlite3_bind_null(event, 6);
    if (sequence) { sqlite3_bind_null(event, 7); } else { bind_blob(event, 7, row->insert_id, strlen(row->insert_id)); }
    bind_blob(event, 8, row->properties, row->properties_size);
    sqlite3_bind_int64(event, 9, sequence ? 1 : 2);
    sqlite3_bind_int64(event, 10, received);
    if (sequence) { sqlite3_bind_int64(event, 11, sequence); } else { sqlite3_bind_null(event, 11); }
    sqlite3_bind_null(event, 12);
    run(event);
}

static void insert_identity(const char *id, int64_t key, const int64_t *first, const int64_t *state) {
    sqlite3_bind_int64(identity, 1, project);
    sqlite3_bind_int64(identity, 2, key);
    bind_blob(identity, 3, id, strlen(id));
    bind_numbers(identity, 4, first, 3);
    bind_numbers(identity, 7, state, 11);
    run(identity);
}

// What a fresh pair writes: two nodes as the join leaves them, the entry, its two nodes, and the link.
static void insert_identify(const row *row, int64_t sequence, int64_t now) {
    const int64_t a = 2 * sequence - 1, b = 2 * sequence;
    insert_identity(row->sent_id, a, (int64_t[]){sequence, now, 0},
                    (int64_t[]){a, 0, b, 2 * sequence, sequence, 0, 2, a, 2 * sequence, sequence, 1});
    insert_identity(row->other_id, b, (int64_t[]){sequence, now, 1},
                    (int64_t[]){a, sequence, a, 2 * sequence + 1, 0, 0, 1, b, 2LL << 60 | (2 * sequence + 1),
                                sequence, 0});
    bind_numbers(entry, 1, (int64_t[]){project, sequence, now, 1}, 4);
    bind_blob(entry, 5, row->sent_id, strlen(row->sent_id));
    bind_blob(entry, 6, row->other_id, strlen(row->other_id));
    sqlite3_bind_int64(entry, 7, 1);
    sqlite3_bind_null(entry, 8);
    bind_numbers(entry, 9, (int64_t[]){1, 2, 499, 1}, 4);
    sqlite3_bind_text(entry, 13, "token", 5, SQLITE_STATIC);
    run(entry);
    for (int64_t node = a; node <= b; node++) {
        bind_numbers(entry_node, 1, (int64_t[]){project, node, sequence}, 3);
        run(entry_node);
    }
    bind_numbers(link_row, 1, (int64_t[]){project, sequence, 1, b, a}, 5);
    run(link_row);
}

int main(int count, char **arguments) {
    if (count != 6) { fail(NULL, "usage: events_sqlite events|identify FILE BATCH ROWS SECONDS"); }
    const int is_identify = strcmp(arguments[1], "identify") == 0;
    const long batch = atol(arguments[3]), wanted = atol(arguments[4]);
    const double limit = atof(arguments[5]);
    row *rows = calloc(wanted, sizeof(row));
    char *packed = malloc(batch * arrival_size);
    if (!rows || !packed) { fail(NULL, "no memory"); }
    for (long number = 0; number < wanted; number++) {
        if (is_identify) { make_identify(rows + number, number); } else { make_event(rows + number); }
    }
    open_store(arguments[2]);

    const double start = seconds(CLOCK_MONOTONIC), start_processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    long done = 0;
    for (int64_t now = received; done < wanted && seconds(CLOCK_MONOTONIC) - start < limit; now++) {
        const long end = done + batch < wanted ? done + batch : wanted;
        char *next = packed;
        run(begin);
        if (is_identify) {
            for (long number = done; number < end; number++) { insert_identify(rows + number, number + 1, now); }
        }
        for (; done < end; done++) {
            insert_event(rows + done, is_identify ? done + 1 : 0);
            memcpy(next, rows[done].hash, 8);
            memcpy(next + 8, &rows[done].time, 8);
            memcpy(next + 16, rows[done].hash, hash_size);
            next += arrival_size;
        }
        sqlite3_bind_int64(arrivals, 1, project);
        bind_blob(arrivals, 2, packed, next - packed);
        run(arrivals);
        run(commit);
    }
    const double elapsed = seconds(CLOCK_MONOTONIC) - start;
    const double processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - start_processor;

    const char *figure = "{\"name\":\"store.%s.%ld%s\",\"unit\":\"%s\",\"value\":%.4f,\"runs\":[%.4f]}\n";
    printf(figure, arguments[1], batch, "", "rows/s", done / elapsed, done / elapsed);
    printf(figure, arguments[1], batch, ".cpu", "us/row", processor * 1e6 / done, processor * 1e6 / done);
    return 0;
}
