#include "CSimdjson.h"

#include <memory>
#include <new>
#include <simdjson.h>

using simdjson::internal::dom_parser_implementation;

struct csimdjson_index {
    std::unique_ptr<dom_parser_implementation> parser;
};

// Small texts share one size, so that a request seldom allocates; large ones grow in steps, because a position takes
// four bytes for each byte of text and a doubled reservation would be wasteful.
static size_t rounded_up(size_t count) {
    const size_t smallest = 16 * 1024, step = 256 * 1024;
    if (count <= smallest) { return smallest; }
    return (count + step - 1) / step * step;
}

extern "C" csimdjson_index *csimdjson_index_create(void) { return new (std::nothrow) csimdjson_index(); }

extern "C" void csimdjson_index_destroy(csimdjson_index *index) { delete index; }

extern "C" int csimdjson_index_reserve(csimdjson_index *index, size_t count) {
    if (index->parser && index->parser->capacity() >= count) { return 0; }
    const size_t capacity = rounded_up(count);
    // The positions already there are of no use, and are freed before the new ones are allocated.
    index->parser.reset();
    const auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity, /* max_depth: the second stage is never run */ 1, index->parser);
    if (error) {
        index->parser.reset();
        return 1;
    }
    return 0;
}

extern "C" void csimdjson_index_trim(csimdjson_index *index, size_t count) {
    if (index->parser && index->parser->capacity() > rounded_up(count)) { index->parser.reset(); }
}

extern "C" csimdjson_result csimdjson_index_scan(csimdjson_index *index, const uint8_t *bytes, size_t count) {
    if (csimdjson_index_reserve(index, count) != 0) { return CSIMDJSON_NO_MEMORY; }
    switch (index->parser->stage1(bytes, count, simdjson::stage1_mode::regular)) {
    case simdjson::SUCCESS:
        index->parser->structural_indexes[index->parser->n_structural_indexes] = static_cast<uint32_t>(count);
        return CSIMDJSON_INDEXED;
    case simdjson::EMPTY: return CSIMDJSON_BLANK;
    case simdjson::UTF8_ERROR: return CSIMDJSON_INVALID_UTF8;
    case simdjson::MEMALLOC:
    case simdjson::CAPACITY: return CSIMDJSON_NO_MEMORY;
    default: return CSIMDJSON_BROKEN_STRING;
    }
}

extern "C" uint32_t *csimdjson_index_positions(csimdjson_index *index) {
    return index->parser ? index->parser->structural_indexes.get() : nullptr;
}

extern "C" size_t csimdjson_index_count(const csimdjson_index *index) {
    return index->parser ? index->parser->n_structural_indexes : 0;
}

extern "C" int csimdjson_is_utf8(const uint8_t *bytes, size_t count) {
    return simdjson::validate_utf8(reinterpret_cast<const char *>(bytes), count) ? 1 : 0;
}
