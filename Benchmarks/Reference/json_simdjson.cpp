// What simdjson alone makes of the body that `Benchmarks wire --write-body` wrote: its first stage (the positions of
// brackets, quotes and scalars, with UTF-8 checked), and its DOM (all of it parsed, nothing checked, copied or kept).
//
//     json_simdjson FILE RUNS
//
// The figures are megabytes of JSON in a second of processor time.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <simdjson.h>

static double processor_seconds() {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    std::fprintf(stderr, "json_simdjson: %s\n", what);
    std::exit(1);
}

template <typename Body>
static void measure(const char *name, const char *detail, size_t size, int runs, Body body) {
    const int iterations = 60;
    for (int run = 0; run < runs; run++) {
        const double start = processor_seconds();
        for (int iteration = 0; iteration < iterations; iteration++) { body(); }
        const double figure = size * iterations / 1e6 / (processor_seconds() - start);
        std::printf("{\"name\":\"%s\",\"unit\":\"MB/s\",\"value\":%.1f,\"runs\":[%.1f],\"detail\":\"%s\"}\n",
                    name, figure, figure, detail);
    }
}

int main(int count, char **arguments) {
    if (count != 3) { fail("usage: json_simdjson FILE RUNS"); }
    simdjson::padded_string text;
    if (simdjson::padded_string::load(arguments[1]).get(text)) { fail("the file cannot be read"); }
    const int runs = std::atoi(arguments[2]);

    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(text.size(), 16, parser)) {
        fail("no memory");
    }
    const auto bytes = reinterpret_cast<const uint8_t *>(text.data());
    measure("wire.simdjson.stage1", "structural positions only", text.size(), runs, [&] {
        if (parser->stage1(bytes, text.size(), simdjson::stage1_mode::regular)) { fail("the file is not JSON"); }
    });

    simdjson::dom::parser dom;
    measure("wire.simdjson.dom", "DOM, nothing checked, copied or kept", text.size(), runs, [&] {
        simdjson::dom::array events;
        if (dom.parse(text).get(events) || events.size() == 0) { fail("the file is not an array"); }
    });
    return 0;
}
