#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The structural positions of one JSON text: brackets, colons, commas, and the first byte of every string and scalar.
///
/// simdjson's first stage finds them; what they mean is for the caller to say. Not safe for use from two threads at
/// once.
typedef struct csimdjson_index csimdjson_index;

/// What became of a scan.
enum csimdjson_result {
    /// The positions are there, the text is valid UTF-8, and no string holds a bare control character.
    CSIMDJSON_INDEXED = 0,
    /// A string is not closed or holds a bare control character: there are no positions, and UTF-8 was not checked.
    CSIMDJSON_BROKEN_STRING = 1,
    CSIMDJSON_INVALID_UTF8 = 2,
    /// The text holds nothing but white space.
    CSIMDJSON_BLANK = 3,
    CSIMDJSON_NO_MEMORY = 4,
};

/// An index without memory for positions; NULL where even that is not to be had.
csimdjson_index *csimdjson_index_create(void);
void csimdjson_index_destroy(csimdjson_index *index);

/// Makes room for the positions of a text of `count` bytes, and for nine more. Zero on success.
int csimdjson_index_reserve(csimdjson_index *index, size_t count);

/// Gives the memory back where it is for texts of more than `count` bytes.
void csimdjson_index_trim(csimdjson_index *index, size_t count);

/// Finds the positions of a text, ended by one more that equals `count`. Reads no byte past the text.
enum csimdjson_result csimdjson_index_scan(csimdjson_index *index, const uint8_t *bytes, size_t count);

/// The positions of the last scan; room for as many as were reserved. NULL before the first reservation.
uint32_t *csimdjson_index_positions(csimdjson_index *index);
size_t csimdjson_index_count(const csimdjson_index *index);

/// Whether a text is valid UTF-8.
int csimdjson_is_utf8(const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif
