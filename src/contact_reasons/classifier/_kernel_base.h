/* Ground of the kernel: constants, hash tables, sums of rows in the widest instructions the machine has. See _kernel.h. */
#ifndef CONTACT_REASONS_KERNEL_BASE_H
#define CONTACT_REASONS_KERNEL_BASE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define KR_PREFETCH(p) __builtin_prefetch(p)
#define KR_ALWAYS_INLINE static inline __attribute__((always_inline))
#define KR_COUNT_ZEROS(x) ((unsigned)__builtin_ctzll(x))
#else
#define KR_PREFETCH(p) ((void)(p))
#define KR_ALWAYS_INLINE static inline
static inline unsigned KR_COUNT_ZEROS(uint64_t x) {
    unsigned n = 0;
    while (!(x & 1)) x >>= 1, n++;
    return n;
}
#endif
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define KR_X86 1
#include <immintrin.h>
#endif
#if (defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) || defined(_WIN32)
#define KR_LITTLE_ENDIAN 1
#endif

#define KR_BASE 0x9E3779B97F4A7C15ULL
#define KR_SEED_WORD 0x243F6A8885A308D3ULL
#define KR_SEED_PAIR 0x13198A2E03707344ULL
#define KR_SEED_CHAR 0xA4093822299F31D0ULL
#define KR_SEED_TOKEN 0x082EFA98EC4E6C89ULL
#define KR_SEED_PIECE 0x452821E638D01377ULL
#define KR_MAX_CHARS 65536
#define KR_MAX_TOKEN_WORD 32
#define KR_MAX_PIECE 20
#define KR_FIRST_MASK 0xE000u
#define KR_N_MASKS 6
#define KR_NONE 0xFFFFFFFFu

#define KR_LANES 16       /* rows are padded to a multiple of this */
#define KR_MEMO_BITS 14
#define KR_MEMO_WORDS (1u << (KR_MEMO_BITS - 1))
#define KR_MEMO_IDS (24u * KR_MEMO_WORDS)
#define KR_MEMO_PROBES 16
#define KR_WORD_IDS 64 /* no word of 16 characters has more features */
#define KR_CHUNK 64
#define KR_LOGS 256
#define KR_AHEAD 1e-4 /* log-odds by which the best reason stays ahead of the second */

/* Classes of a code point. */
#define KR_WORD 1
#define KR_LETTER 2
#define KR_MARK 4
#define KR_DIGIT 8
#define KR_DROPPED 16

static uint64_t kr_powers[KR_MAX_TOKEN_WORD + 1], kr_inverse_powers[KR_MAX_TOKEN_WORD + 1];
static double kr_one_plus_log[KR_LOGS];
static uint8_t kr_ascii_raw[256];   /* text as it comes: 0 separates, 1 is dropped, 2 is '[', else the byte it becomes */
static uint8_t *kr_pages[0x110000 >> 8]; /* classes of folded characters, filled when first met */

static inline uint64_t kr_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

/* ---------------------------------------------------------------- hash tables */

typedef struct {
    uint64_t hash;
    uint32_t id; /* KR_NONE: empty */
    uint32_t unused;
} kr_slot;

typedef struct {
    kr_slot *slots;
    unsigned shift;
    uint64_t mask;
} kr_table;

/* Bits of the number of slots, at most half of which are taken. */
static unsigned kr_table_bits(size_t n) {
    unsigned bits = 4;
    while (((size_t)1 << bits) < 2 * n) bits++;
    return bits;
}

/* The slots are those of kr_table_bits(n), and stay the caller's. */
static void kr_table_fill(kr_table *table, kr_slot *slots, const uint64_t *hashes, const uint32_t *ids, size_t n) {
    unsigned bits = kr_table_bits(n);
    size_t i;
    table->slots = slots;
    table->shift = 64 - bits;
    table->mask = ((uint64_t)1 << bits) - 1;
    memset(table->slots, 0xFF, sizeof(kr_slot) << bits);
    for (i = 0; i < n; i++) {
        uint64_t at = hashes[i] >> table->shift;
        while (table->slots[at].id != KR_NONE) at = (at + 1) & table->mask;
        table->slots[at].hash = hashes[i];
        table->slots[at].id = ids[i];
    }
}

static inline void kr_table_prefetch(const kr_table *table, uint64_t hash) {
    KR_PREFETCH(&table->slots[hash >> table->shift]);
}

static inline uint32_t kr_table_find(const kr_table *table, uint64_t hash) {
    uint64_t at = hash >> table->shift;
    while (table->slots[at].id != KR_NONE) {
        if (table->slots[at].hash == hash) return table->slots[at].id;
        at = (at + 1) & table->mask;
    }
    return KR_NONE;
}

/* ---------------------------------------------------------------- sums of rows */

/* target[c] += sum over i of weights[i] * rows[ids[i], c]; width is a multiple of KR_LANES. Every column is added in the
 * order of i, whatever the instructions, so that versions differ by fused roundings alone. */
typedef void (*kr_add_int8)(const int8_t *rows, size_t width, const uint32_t *ids, const float *weights, size_t n, float *target);
typedef void (*kr_add_float)(const float *rows, size_t width, const uint32_t *ids, const float *weights, size_t n, float *target);

static void kr_add_int8_plain(const int8_t *rows, size_t width, const uint32_t *ids, const float *weights, size_t n, float *target) {
    for (size_t i = 0; i < n; i++) {
        const int8_t *row = rows + (size_t)ids[i] * width;
        for (size_t c = 0; c < width; c++) target[c] += weights[i] * (float)row[c];
    }
}

static void kr_add_float_plain(const float *rows, size_t width, const uint32_t *ids, const float *weights, size_t n, float *target) {
    for (size_t i = 0; i < n; i++) {
        const float *row = rows + (size_t)ids[i] * width;
        for (size_t c = 0; c < width; c++) target[c] += weights[i] * row[c];
    }
}

#ifdef KR_X86
/* Groups of columns stay in registers over all rows; `groups` is a constant wherever this is expanded. */
#define KR_ADD(name, isa, type, lanes, vector, zero_load, spread, load, fma, store)                                           \
    KR_ALWAYS_INLINE __attribute__((target(isa))) void name##_columns(const type *rows, size_t width, const uint32_t *ids,    \
                                                                      const float *weights, size_t n, float *target,          \
                                                                      int groups) {                                           \
        vector sums[8];                                                                                                       \
        for (int g = 0; g < groups; g++) sums[g] = zero_load(target + g * lanes);                                             \
        for (size_t i = 0; i < n; i++) {                                                                                      \
            const type *row = rows + (size_t)ids[i] * width;                                                                  \
            vector weight = spread(weights[i]);                                                                               \
            for (int g = 0; g < groups; g++) sums[g] = fma(weight, load(row + g * lanes), sums[g]);                           \
        }                                                                                                                     \
        for (int g = 0; g < groups; g++) store(target + g * lanes, sums[g]);                                                  \
    }                                                                                                                         \
    __attribute__((target(isa))) static void name(const type *rows, size_t width, const uint32_t *ids, const float *weights, \
                                                  size_t n, float *target) {                                                  \
        size_t left = width / lanes, done = 0;                                                                                \
        while (left) {                                                                                                        \
            const type *from = rows + done * lanes;                                                                           \
            float *to = target + done * lanes;                                                                                \
            size_t groups = left >= 8 ? 8 : left;                                                                             \
            switch (groups) {                                                                                                 \
            case 8: name##_columns(from, width, ids, weights, n, to, 8); break;                                               \
            case 7: name##_columns(from, width, ids, weights, n, to, 7); break;                                               \
            case 6: name##_columns(from, width, ids, weights, n, to, 6); break;                                               \
            case 5: name##_columns(from, width, ids, weights, n, to, 5); break;                                               \
            case 4: name##_columns(from, width, ids, weights, n, to, 4); break;                                               \
            case 3: name##_columns(from, width, ids, weights, n, to, 3); break;                                               \
            case 2: name##_columns(from, width, ids, weights, n, to, 2); break;                                               \
            default: name##_columns(from, width, ids, weights, n, to, 1); break;                                              \
            }                                                                                                                 \
            left -= groups;                                                                                                   \
            done += groups;                                                                                                   \
        }                                                                                                                     \
    }
#define KR_INT8_512(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p))))
#define KR_INT8_256(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p))))
KR_ADD(kr_add_int8_512, "avx512f", int8_t, 16, __m512, _mm512_loadu_ps, _mm512_set1_ps, KR_INT8_512, _mm512_fmadd_ps, _mm512_storeu_ps)
KR_ADD(kr_add_float_512, "avx512f", float, 16, __m512, _mm512_loadu_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_fmadd_ps, _mm512_storeu_ps)
KR_ADD(kr_add_int8_256, "avx2,fma", int8_t, 8, __m256, _mm256_loadu_ps, _mm256_set1_ps, KR_INT8_256, _mm256_fmadd_ps, _mm256_storeu_ps)
KR_ADD(kr_add_float_256, "avx2,fma", float, 8, __m256, _mm256_loadu_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_fmadd_ps, _mm256_storeu_ps)
#endif

static kr_add_int8 kr_int8_sums = kr_add_int8_plain;
static kr_add_float kr_float_sums = kr_add_float_plain;

/* Take the given instructions if the machine has them ("" for the best); what was taken. */
static const char *kr_choose_instructions(const char *wanted) {
    kr_int8_sums = kr_add_int8_plain;
    kr_float_sums = kr_add_float_plain;
#ifdef KR_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && (!*wanted || !strcmp(wanted, "avx512f"))) {
        kr_int8_sums = kr_add_int8_512;
        kr_float_sums = kr_add_float_512;
        return "avx512f";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && (!*wanted || !strcmp(wanted, "avx2"))) {
        kr_int8_sums = kr_add_int8_256;
        kr_float_sums = kr_add_float_256;
        return "avx2";
    }
#endif
    return "plain";
}

#endif
