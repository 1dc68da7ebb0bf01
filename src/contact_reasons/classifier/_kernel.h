/* Labelling in one pass over a text: docs/reference/features.md in C. The readable twin is features.py, prior.py and
 * engine.py; the thin Python side is _kernel.pyx. Nothing here needs the interpreter.
 *
 * What makes it fast:
 *   - the features of a word depend on the word alone, so a workspace remembers the feature ids and the hidden vector of
 *     words it has met (the memo); results are the same bits with or without it, because a word's parts are always
 *     computed first and then added;
 *   - features are numbered by how common they are, so that counts and rows in use lie together;
 *   - rows of int8 are fetched ahead and added in vector registers, in the widest instructions the machine has.
 */
#ifndef CONTACT_REASONS_KERNEL_H
#define CONTACT_REASONS_KERNEL_H

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

static int kr_table_fill(kr_table *table, const uint64_t *hashes, const uint32_t *ids, size_t n) {
    unsigned bits = 4;
    size_t i;
    while (((size_t)1 << bits) < 2 * n) bits++;
    table->slots = (kr_slot *)malloc(sizeof(kr_slot) << bits);
    if (!table->slots) return -1;
    table->shift = 64 - bits;
    table->mask = ((uint64_t)1 << bits) - 1;
    memset(table->slots, 0xFF, sizeof(kr_slot) << bits);
    for (i = 0; i < n; i++) {
        uint64_t at = hashes[i] >> table->shift;
        while (table->slots[at].id != KR_NONE) at = (at + 1) & table->mask;
        table->slots[at].hash = hashes[i];
        table->slots[at].id = ids[i];
    }
    return 0;
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

/* ---------------------------------------------------------------- the model and a workspace */

typedef struct {
    kr_table table;
    const int8_t *vectors; /* (V, width) */
    const float *scale;    /* (V,) */
    size_t width;
} kr_prior;

typedef struct {
    kr_table table;
    size_t n_features, first_char; /* ids below first_char are of the family 'word', the others of 'char' */
    const float *idf, *scale;      /* (F,) by id */
    const int8_t *rows;            /* (F, width) by id */
    const float *intercept;        /* (width,) */
    size_t n_columns, width;
    const kr_prior *prior; /* NULL: no tokens */
    size_t longest;        /* of all rows that a workspace holds */
    size_t hidden;         /* columns of the hidden layer, padded */
    const int32_t *tuned_at; /* (V,) row in tuned_rows or -1 */
    const int8_t *tuned_rows;
    const float *tuned_scale, *projection, *hidden_bias, *out;
} kr_model;

typedef struct {
    uint64_t key[2], polynomial;
    uint32_t first_id, n_tokens, hidden;
    uint16_t n_ids[2];         /* of each family */
    uint8_t kind, has_letters; /* kind 0: empty */
} kr_memo_word;

typedef struct {
    uint32_t count; /* in the text that is being read; 0 between texts */
    float idf, scale;
    uint32_t unused;
} kr_feature;

/* Distinct features of one family in a text, in order of appearance. */
typedef struct {
    uint32_t *ids;
    float *weights, *factors; /* tf-idf before it is scaled to unit length; the same times the row's scale */
    size_t n;
    float inverse_norm;
} kr_family;

typedef struct {
    uint64_t key[2], place;
    uint32_t start, n;
} kr_noted;

typedef struct {
    kr_feature *features; /* (F,) */
    kr_family families[2];
    kr_memo_word *memo;
    uint32_t *memo_ids;
    float *memo_hidden;
    size_t memo_words, memo_used;
    uint8_t *bytes;
    uint32_t *codes;
    kr_noted noted[KR_CHUNK]; /* words of the text that are not added yet */
    size_t n_noted;
    uint64_t pairs[KR_CHUNK];
    size_t n_pairs;
    float *hidden, *word_hidden, *vector, *sums;
    double *total; /* of `hidden`, moved here every KR_CHUNK words so that long texts lose no digits */
    size_t n_summed;
    uint32_t remembered[KR_CHUNK]; /* vectors of the memo that are not in `hidden` yet */
    size_t n_remembered;
    float *ones;
    uint32_t *sequence, *active; /* 0, 1, 2, ...; hidden units above zero */
    size_t n_tokens;
    uint64_t last_word;
    int any_word, has_letters;
} kr_work;

static void kr_work_free(kr_work *w) {
    for (int family = 0; family < 2; family++)
        free(w->families[family].ids), free(w->families[family].weights), free(w->families[family].factors);
    free(w->features), free(w->memo), free(w->memo_ids), free(w->memo_hidden);
    free(w->bytes), free(w->codes), free(w->hidden), free(w->word_hidden), free(w->vector);
    free(w->sums), free(w->sequence), free(w->active), free(w->total), free(w->ones);
    memset(w, 0, sizeof *w);
}

static int kr_work_make(kr_work *w, const kr_model *m) {
    size_t longest = m->longest, h = m->hidden ? m->hidden : 1;
    memset(w, 0, sizeof *w);
    int whole = 1;
    for (int family = 0; family < 2; family++) {
        size_t most = 1 + (family ? m->n_features - m->first_char : m->first_char);
        w->families[family].ids = (uint32_t *)malloc(most * sizeof(uint32_t));
        w->families[family].weights = (float *)malloc(most * sizeof(float));
        w->families[family].factors = (float *)malloc(most * sizeof(float));
        whole &= w->families[family].ids && w->families[family].weights && w->families[family].factors;
    }
    w->features = (kr_feature *)calloc(m->n_features + 1, sizeof(kr_feature));
    w->memo = (kr_memo_word *)calloc((size_t)1 << KR_MEMO_BITS, sizeof(kr_memo_word));
    w->memo_ids = (uint32_t *)malloc(KR_MEMO_IDS * sizeof(uint32_t));
    w->memo_hidden = (float *)malloc(KR_MEMO_WORDS * h * sizeof(float));
    w->bytes = (uint8_t *)malloc(KR_MAX_CHARS + 128);
    w->codes = (uint32_t *)malloc((KR_MAX_CHARS + 8) * sizeof(uint32_t));
    w->hidden = (float *)calloc(longest, sizeof(float));
    w->word_hidden = (float *)calloc(longest, sizeof(float));
    w->vector = (float *)calloc(longest, sizeof(float));
    w->sums = (float *)calloc(longest, sizeof(float));
    w->ones = (float *)malloc(KR_CHUNK * sizeof(float));
    w->total = (double *)calloc(longest, sizeof(double));
    w->sequence = (uint32_t *)malloc(longest * sizeof(uint32_t));
    w->active = (uint32_t *)malloc(longest * sizeof(uint32_t));
    if (!(whole && w->features && w->memo && w->memo_ids && w->memo_hidden && w->bytes && w->codes &&
          w->hidden && w->word_hidden && w->vector && w->sums && w->sequence && w->active && w->total && w->ones)) {
        kr_work_free(w);
        return -1;
    }
    for (uint32_t i = 0; i < longest; i++) w->sequence[i] = i;
    for (int i = 0; i < KR_CHUNK; i++) w->ones[i] = 1.0f;
    for (size_t i = 0; i < m->n_features; i++) {
        w->features[i].idf = m->idf[i];
        w->features[i].scale = m->scale[i];
    }
    return 0;
}

/* ---------------------------------------------------------------- a word */

/* Code i of a word with one space before and one behind. */
static inline uint64_t kr_spaced(const uint32_t *codes, size_t n, size_t i) { return i == 0 || i > n ? 0x20 : codes[i - 1]; }

/* Ids of the runs of characters that begin at `from` up to `to` in a spaced word; at most 4 * KR_CHUNK. */
static size_t kr_run_ids(const kr_model *m, const uint32_t *codes, size_t n, size_t from, size_t to, uint32_t *ids) {
    uint64_t hashes[4 * KR_CHUNK];
    size_t n_hashes = 0, n_ids = 0, end = n + 2;
    for (size_t at = from; at < to; at++) {
        uint64_t sum = kr_spaced(codes, n, at), power = KR_BASE;
        for (size_t length = 2; length <= 5 && at + length <= end; length++) {
            sum += power * kr_spaced(codes, n, at + length - 1);
            power *= KR_BASE;
            hashes[n_hashes] = kr_mix(sum + KR_SEED_CHAR);
            kr_table_prefetch(&m->table, hashes[n_hashes++]);
        }
    }
    for (size_t i = 0; i < n_hashes; i++) {
        uint32_t id = kr_table_find(&m->table, hashes[i]);
        if (id != KR_NONE) ids[n_ids++] = id;
    }
    return n_ids;
}

static uint64_t kr_polynomial(const uint32_t *codes, size_t n) {
    uint64_t sum = 0;
    while (n) sum = sum * KR_BASE + codes[--n];
    return sum;
}

static inline int kr_class(uint32_t code) {
    const uint8_t *page = kr_pages[code >> 8];
    return page ? page[code & 255] : 0;
}

/* Whether a letter is followed by a letter or a mark. */
static int kr_has_letters(const uint32_t *codes, size_t n) {
    for (size_t i = 0; i + 1 < n; i++)
        if ((kr_class(codes[i]) & KR_LETTER) && (kr_class(codes[i + 1]) & (KR_LETTER | KR_MARK))) return 1;
    return 0;
}

/* Tokens of a word, longest match first; none if some position has no match. */
static size_t kr_word_tokens(const kr_prior *prior, const uint32_t *codes, size_t n, uint32_t *tokens) {
    uint64_t prefix[KR_MAX_TOKEN_WORD + 1];
    size_t at = 0, n_tokens = 0;
    if (n > KR_MAX_TOKEN_WORD) return 0;
    prefix[0] = 0;
    for (size_t i = 0; i < n; i++) prefix[i + 1] = prefix[i] + kr_powers[i] * codes[i];
    while (at < n) {
        uint32_t found = KR_NONE;
        uint64_t seed = at ? KR_SEED_PIECE : KR_SEED_TOKEN, hashes[KR_MAX_PIECE + 1];
        size_t length = n - at < KR_MAX_PIECE ? n - at : KR_MAX_PIECE;
        for (size_t l = length; l; l--) {
            hashes[l] = kr_mix((prefix[at + l] - prefix[at]) * kr_inverse_powers[at] + seed);
            kr_table_prefetch(&prior->table, hashes[l]);
        }
        for (; length; length--)
            if ((found = kr_table_find(&prior->table, hashes[length])) != KR_NONE) break;
        if (found == KR_NONE) return 0;
        tokens[n_tokens++] = found;
        at += length;
    }
    return n_tokens;
}

/* Sum of the first layer's rows of a word's tokens: tuned rows as they are, all others through the projection at once. */
static void kr_word_hidden(const kr_model *m, kr_work *w, const uint32_t *tokens, size_t n, float *hidden) {
    uint32_t tuned[KR_MAX_TOKEN_WORD], others[KR_MAX_TOKEN_WORD];
    float tuned_scale[KR_MAX_TOKEN_WORD], others_scale[KR_MAX_TOKEN_WORD];
    size_t n_tuned = 0, n_others = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t row = m->tuned_at[tokens[i]];
        if (row >= 0) {
            tuned_scale[n_tuned] = m->tuned_scale[row];
            tuned[n_tuned++] = (uint32_t)row;
        } else {
            others_scale[n_others] = m->prior->scale[tokens[i]];
            others[n_others++] = tokens[i];
        }
    }
    memset(hidden, 0, m->hidden * sizeof(float));
    kr_int8_sums(m->tuned_rows, m->hidden, tuned, tuned_scale, n_tuned, hidden);
    if (n_others) {
        memset(w->vector, 0, m->prior->width * sizeof(float));
        kr_int8_sums(m->prior->vectors, m->prior->width, others, others_scale, n_others, w->vector);
        kr_float_sums(m->projection, m->hidden, w->sequence, w->vector, m->prior->width, hidden);
    }
}

/* Count occurrences of features of one family. */
static inline void kr_count(kr_work *w, int family, const uint32_t *ids, size_t n) {
    kr_feature *features = w->features;
    uint32_t *list = w->families[family].ids;
    size_t n_distinct = w->families[family].n;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = ids[i], count = features[id].count;
        features[id].count = count + 1;
        list[n_distinct] = id;
        n_distinct += count == 0;
    }
    w->families[family].n = n_distinct;
}

/* Bring the features of the family 'word' to the front, each family in its order; how many there are. */
static size_t kr_part_families(const kr_model *m, uint32_t *ids, size_t n) {
    uint32_t others[4 * KR_CHUNK + 1];
    size_t n_words = 0, n_others = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < m->first_char)
            ids[n_words++] = ids[i];
        else
            others[n_others++] = ids[i];
    }
    memcpy(ids + n_words, others, n_others * sizeof(uint32_t));
    return n_words;
}

static void kr_add_ids(const kr_model *m, kr_work *w, uint32_t *ids, size_t n) {
    size_t n_words = kr_part_families(m, ids, n);
    kr_count(w, 0, ids, n_words);
    kr_count(w, 1, ids + n_words, n - n_words);
}

static void kr_flush_pairs(const kr_model *m, kr_work *w) {
    uint32_t ids[KR_CHUNK];
    size_t n = 0;
    for (size_t i = 0; i < w->n_pairs; i++) {
        ids[n] = kr_table_find(&m->table, w->pairs[i]);
        n += ids[n] != KR_NONE;
    }
    w->n_pairs = 0;
    kr_add_ids(m, w, ids, n);
}

static inline void kr_add_pair(const kr_model *m, kr_work *w, uint64_t polynomial) {
    if (w->any_word) {
        uint64_t hash = kr_mix(w->last_word + KR_BASE * polynomial + KR_SEED_PAIR);
        if (w->n_pairs == KR_CHUNK) kr_flush_pairs(m, w);
        kr_table_prefetch(&m->table, hash);
        w->pairs[w->n_pairs++] = hash;
    }
    w->any_word = 1;
    w->last_word = polynomial;
}

/* Vectors of words are added in the order of the text, wherever they lie. */
static void kr_flush_remembered(const kr_model *m, kr_work *w) {
    kr_float_sums(w->memo_hidden, m->hidden, w->remembered, w->ones, w->n_remembered, w->hidden);
    w->n_remembered = 0;
}

static void kr_count_tokens(const kr_model *m, kr_work *w, size_t n_tokens) {
    w->n_tokens += n_tokens;
    if (++w->n_summed == KR_CHUNK) {
        kr_flush_remembered(m, w);
        for (size_t h = 0; h < m->hidden; h++) w->total[h] += w->hidden[h];
        memset(w->hidden, 0, m->hidden * sizeof(float));
        w->n_summed = 0;
    }
}

/* A word that the memo cannot hold. */
static void kr_add_long_word(const kr_model *m, kr_work *w, const uint32_t *codes, size_t n) {
    uint32_t ids[4 * KR_CHUNK + 1], tokens[KR_MAX_TOKEN_WORD];
    uint64_t polynomial = kr_polynomial(codes, n);
    uint32_t id = kr_table_find(&m->table, kr_mix(polynomial + KR_SEED_WORD));
    if (id != KR_NONE) kr_add_ids(m, w, &id, 1);
    for (size_t from = 0; from < n + 1; from += KR_CHUNK) {
        size_t to = from + KR_CHUNK < n + 1 ? from + KR_CHUNK : n + 1;
        kr_add_ids(m, w, ids, kr_run_ids(m, codes, n, from, to, ids));
    }
    kr_add_pair(m, w, polynomial);
    w->has_letters |= kr_has_letters(codes, n);
    if (m->prior) {
        size_t n_tokens = kr_word_tokens(m->prior, codes, n, tokens);
        if (n_tokens) {
            kr_flush_remembered(m, w);
            kr_word_hidden(m, w, tokens, n_tokens, w->word_hidden);
            for (size_t h = 0; h < m->hidden; h++) w->hidden[h] += w->word_hidden[h];
            kr_count_tokens(m, w, n_tokens);
        }
    }
}

static void kr_memo_clear(kr_work *w) {
    memset(w->memo, 0, sizeof(kr_memo_word) << KR_MEMO_BITS);
    w->memo_words = w->memo_used = 0;
}

/* Where the memo begins to look for a word. */
static inline uint64_t kr_memo_place(const uint64_t key[2], int kind) {
    uint64_t hash = (key[0] ^ (uint64_t)kind) * 0x9E3779B97F4A7C15ULL ^ key[1] * 0xC2B2AE3D27D4EB4FULL;
    hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9ULL;
    return hash >> (64 - KR_MEMO_BITS);
}

/* The word, or an empty entry to fill; NULL if the neighbourhood is crowded. */
static inline kr_memo_word *kr_memo_find(kr_work *w, const uint64_t key[2], int kind, uint64_t place) {
    for (uint64_t probe = 0; probe < KR_MEMO_PROBES; probe++) {
        kr_memo_word *word = &w->memo[(place + probe) & ((1u << KR_MEMO_BITS) - 1)];
        if (!word->kind || (word->key[0] == key[0] && word->key[1] == key[1] && word->kind == kind)) return word;
    }
    return NULL;
}

static void kr_memo_fill(const kr_model *m, kr_work *w, kr_memo_word *word, const uint32_t *codes, size_t n) {
    uint32_t *ids = w->memo_ids + w->memo_used, id, tokens[KR_MAX_TOKEN_WORD];
    size_t n_ids = 0;
    word->polynomial = kr_polynomial(codes, n);
    word->has_letters = (uint8_t)kr_has_letters(codes, n);
    word->first_id = (uint32_t)w->memo_used;
    word->hidden = (uint32_t)w->memo_words;
    word->n_tokens = 0;
    id = kr_table_find(&m->table, kr_mix(word->polynomial + KR_SEED_WORD));
    if (id != KR_NONE) ids[n_ids++] = id;
    n_ids += kr_run_ids(m, codes, n, 0, n + 1, ids + n_ids);
    word->n_ids[0] = (uint16_t)kr_part_families(m, ids, n_ids);
    word->n_ids[1] = (uint16_t)(n_ids - word->n_ids[0]);
    if (m->prior) {
        word->n_tokens = (uint32_t)kr_word_tokens(m->prior, codes, n, tokens);
        if (word->n_tokens) kr_word_hidden(m, w, tokens, word->n_tokens, w->memo_hidden + m->hidden * w->memo_words);
    }
    w->memo_used += n_ids;
    w->memo_words++;
}

static inline void kr_add_memo_word(const kr_model *m, kr_work *w, const kr_memo_word *word) {
    const uint32_t *ids = w->memo_ids + word->first_id;
    kr_count(w, 0, ids, word->n_ids[0]);
    kr_count(w, 1, ids + word->n_ids[0], word->n_ids[1]);
    kr_add_pair(m, w, word->polynomial);
    w->has_letters |= word->has_letters;
    if (word->n_tokens) {
        w->remembered[w->n_remembered++] = word->hidden;
        kr_count_tokens(m, w, word->n_tokens);
    }
}

static void kr_add_new_word(const kr_model *m, kr_work *w, const uint64_t key[2], int kind, const uint32_t *codes, size_t n) {
    kr_memo_word *word;
    if (w->memo_words == KR_MEMO_WORDS || w->memo_used + KR_WORD_IDS > KR_MEMO_IDS) {
        if (m->prior) kr_flush_remembered(m, w);
        kr_memo_clear(w);
    }
    word = kr_memo_find(w, key, kind, kr_memo_place(key, kind));
    if (!word) {
        kr_add_long_word(m, w, codes, n);
        return;
    }
    word->key[0] = key[0];
    word->key[1] = key[1];
    word->kind = (uint8_t)kind;
    kr_memo_fill(m, w, word, codes, n);
    kr_add_memo_word(m, w, word);
}

#define KR_BYTES 1
#define KR_PAIRS_OF_BYTES 2

/* Note a word of cleaned ASCII, byte 0x80 + i being mask i, and have the memo's place for it fetched. */
static inline void kr_note_bytes(kr_work *w, size_t start, size_t n) {
    kr_noted *noted = &w->noted[w->n_noted++];
    noted->start = (uint32_t)start;
    noted->n = (uint32_t)n;
    noted->key[0] = noted->key[1] = 0;
    if (n > 16) return;
#ifdef KR_LITTLE_ENDIAN
    memcpy(noted->key, w->bytes + start, 16); /* the buffer goes on behind the word */
    if (n < 8) {
        noted->key[0] &= ((uint64_t)1 << (8 * n)) - 1;
        noted->key[1] = 0;
    } else if (n < 16) {
        noted->key[1] &= ((uint64_t)1 << (8 * (n - 8))) - 1;
    }
#else
    memcpy(noted->key, w->bytes + start, n);
#endif
    noted->place = kr_memo_place(noted->key, KR_BYTES);
    KR_PREFETCH(&w->memo[noted->place]);
}

/* Add the words noted. */
static void kr_add_noted(const kr_model *m, kr_work *w) {
    for (size_t i = 0; i < w->n_noted; i++) {
        const kr_noted *noted = &w->noted[i];
        const uint8_t *bytes = w->bytes + noted->start;
        if (noted->n <= 16) {
            kr_memo_word *word = kr_memo_find(w, noted->key, KR_BYTES, noted->place);
            if (word && word->kind) {
                kr_add_memo_word(m, w, word);
                continue;
            }
        }
        for (size_t c = 0; c < noted->n; c++) w->codes[c] = bytes[c] < 0x80 ? bytes[c] : KR_FIRST_MASK + bytes[c] - 0x80u;
        if (noted->n <= 16)
            kr_add_new_word(m, w, noted->key, KR_BYTES, w->codes, noted->n);
        else
            kr_add_long_word(m, w, w->codes, noted->n);
    }
    w->n_noted = 0;
}

/* Add a word of any code points. */
static void kr_add_codes(const kr_model *m, kr_work *w, const uint32_t *codes, size_t n) {
    uint64_t key[2] = {0, 0};
    kr_memo_word *word;
    uint32_t all = 0;
    for (size_t i = 0; i < n && n <= 8; i++) all |= codes[i];
    if (n > 8 || all > 0xFFFF) {
        kr_add_long_word(m, w, codes, n);
        return;
    }
    for (size_t i = 0; i < n; i++) key[i / 4] |= (uint64_t)codes[i] << (16 * (i % 4));
    word = kr_memo_find(w, key, KR_PAIRS_OF_BYTES, kr_memo_place(key, KR_PAIRS_OF_BYTES));
    if (word && word->kind)
        kr_add_memo_word(m, w, word);
    else
        kr_add_new_word(m, w, key, KR_PAIRS_OF_BYTES, codes, n);
}

/* ---------------------------------------------------------------- a text */

#define KR_RAW 0 /* ASCII as it came; otherwise folded (features.py), of 1, 2 or 4 bytes a character */
typedef struct {
    const void *data;
    size_t length;
    int kind;
} kr_text;

static const char *const kr_mask_names[KR_N_MASKS] = {"[mail]", "[url]", "[phone]", "[card]", "[iban]", "[number]"};

/* Normalise ASCII: separators become 0, masks 0x80 + i. */
static size_t kr_clean_ascii(const uint8_t *text, size_t n, uint8_t *bytes) {
    size_t length = 0, i = 0;
    if (!memchr(text, '[', n)) {
        for (; i < n; i++) {
            uint8_t byte = kr_ascii_raw[text[i]];
            bytes[length] = byte;
            length += byte != 1;
        }
        return length;
    }
    while (i < n) {
        uint8_t byte = kr_ascii_raw[text[i]];
        size_t step = 1;
        if (byte == 2) {
            byte = 0;
            for (int mask = 0; mask < KR_N_MASKS; mask++) {
                size_t size = strlen(kr_mask_names[mask]);
                if (n - i >= size && !memcmp(text + i, kr_mask_names[mask], size)) {
                    byte = (uint8_t)(0x80 + mask);
                    step = size;
                    break;
                }
            }
        }
        bytes[length] = byte;
        length += byte != 1;
        i += step;
    }
    return length;
}

/* Bit i of the result says whether byte i is not 0. */
static inline uint64_t kr_word_bits(const uint8_t *bytes) {
    uint64_t bits = 0;
#ifdef KR_X86
    for (int i = 0; i < 4; i++) {
        __m128i part = _mm_loadu_si128((const __m128i *)(bytes + 16 * i));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part, _mm_setzero_si128())) << (16 * i);
    }
    return ~bits;
#else
    for (int i = 0; i < 64; i++) bits |= (uint64_t)(bytes[i] != 0) << i;
    return bits;
#endif
}

static void kr_read_ascii(const kr_model *m, kr_work *w, const uint8_t *text, size_t n) {
    size_t length = kr_clean_ascii(text, n < KR_MAX_CHARS ? n : KR_MAX_CHARS, w->bytes), block, start = 0;
    uint64_t inside = 0; /* whether the last byte of the block before belongs to a word */
    memset(w->bytes + length, 0, 64);
    for (block = 0; block * 64 < length + 1; block++) {
        uint64_t bits = kr_word_bits(w->bytes + block * 64), edges = bits ^ (bits << 1 | inside);
        inside = bits >> 63;
        while (edges) {
            size_t at = block * 64 + KR_COUNT_ZEROS(edges);
            edges &= edges - 1;
            if (w->bytes[at])
                start = at;
            else
                kr_note_bytes(w, start, at - start);
            if (w->n_noted == KR_CHUNK) kr_add_noted(m, w);
        }
    }
    kr_add_noted(m, w);
}

static inline uint32_t kr_code(const kr_text *text, size_t i) {
    switch (text->kind) {
    case 1: return ((const uint8_t *)text->data)[i];
    case 2: return ((const uint16_t *)text->data)[i];
    default: return ((const uint32_t *)text->data)[i];
    }
}

static void kr_read_codes(const kr_model *m, kr_work *w, const kr_text *text) {
    size_t n = 0;
    for (size_t i = 0; i < text->length; i++) {
        uint32_t code = kr_code(text, i);
        int is = kr_class(code);
        if (is & KR_WORD) {
            w->codes[n] = is & KR_DIGIT ? '0' : code;
            n += !(is & KR_DROPPED);
        } else if (n && !(is & KR_DROPPED)) {
            kr_add_codes(m, w, w->codes, n);
            n = 0;
        }
    }
    if (n) kr_add_codes(m, w, w->codes, n);
}

/* Collect a text: distinct features with their counts, hidden sum and number of tokens. */
static void kr_read(const kr_model *m, kr_work *w, const kr_text *text) {
    w->families[0].n = w->families[1].n = w->n_noted = w->n_pairs = w->n_tokens = 0;
    w->any_word = w->has_letters = 0;
    if (m->prior) {
        memset(w->hidden, 0, m->hidden * sizeof(float));
        memset(w->total, 0, m->hidden * sizeof(double));
        w->n_summed = w->n_remembered = 0;
    }
    if (text->kind == KR_RAW)
        kr_read_ascii(m, w, (const uint8_t *)text->data, text->length);
    else
        kr_read_codes(m, w, text);
    kr_flush_pairs(m, w);
}

/* Tf-idf weights of the text's features of one family, and what brings them to unit length; counts go back to zero. */
static void kr_weigh(const kr_model *m, kr_work *w, kr_family *family) {
    double squares[4] = {0, 0, 0, 0}; /* four sums, so that one need not wait for the other */
    for (size_t i = 0; i < family->n; i++) {
        kr_feature *feature = &w->features[family->ids[i]];
        double weight = feature->count < KR_LOGS ? kr_one_plus_log[feature->count] : 1.0 + log((double)feature->count);
        weight *= (double)feature->idf;
        feature->count = 0;
        family->weights[i] = (float)weight;
        family->factors[i] = (float)weight * feature->scale;
        squares[i & 3] += weight * weight;
        KR_PREFETCH(m->rows + (size_t)family->ids[i] * m->width);
        KR_PREFETCH(m->rows + (size_t)family->ids[i] * m->width + 64);
    }
    squares[0] += squares[1] + squares[2] + squares[3];
    family->inverse_norm = squares[0] > 0 ? (float)(1.0 / sqrt(squares[0])) : 0.0f;
}

/* Add a family's part of the scores. */
static void kr_add_family(const kr_model *m, kr_work *w, const kr_family *family) {
    if (!family->n) return;
    memset(w->vector, 0, m->width * sizeof(float));
    kr_int8_sums(m->rows, m->width, family->ids, family->factors, family->n, w->vector);
    for (size_t c = 0; c < m->width; c++) w->sums[c] += family->inverse_norm * w->vector[c];
}

/* How the tokens of a text become the input of the hidden layer: their mean. */
static void kr_pool(const kr_model *m, kr_work *w) {
    kr_flush_remembered(m, w);
    double share = w->n_tokens ? 1.0 / (double)w->n_tokens : 0.0;
    for (size_t h = 0; h < m->hidden; h++) w->hidden[h] = (float)((w->total[h] + w->hidden[h]) * share);
}

static void kr_score(const kr_model *m, kr_work *w, const kr_text *text, float *scores, uint8_t *known) {
    kr_read(m, w, text);
    *known = (uint8_t)(w->families[0].n + w->families[1].n && w->has_letters);
    memcpy(w->sums, m->intercept, m->width * sizeof(float));
    for (int family = 0; family < 2; family++) kr_weigh(m, w, &w->families[family]);
    for (int family = 0; family < 2; family++) kr_add_family(m, w, &w->families[family]);
    if (m->prior) {
        size_t n_active = 0;
        kr_pool(m, w);
        for (size_t h = 0; h < m->hidden; h++) {
            float value = w->hidden[h] + m->hidden_bias[h];
            w->active[n_active] = (uint32_t)h;
            w->vector[n_active] = value;
            n_active += value > 0;
        }
        kr_float_sums(m->out, m->width, w->active, w->vector, n_active, w->sums);
    }
    memcpy(scores, w->sums, m->n_columns * sizeof(float));
}

static void kr_score_block(const kr_model *m, kr_work *w, const kr_text *texts, size_t n, float *scores, uint8_t *known) {
    for (size_t i = 0; i < n; i++) kr_score(m, w, &texts[i], scores + i * m->n_columns, &known[i]);
}

static void kr_start(void) {
    uint64_t inverse = 1, power = 1, base_inverse = KR_BASE;
    for (int i = 0; i < 6; i++) base_inverse *= 2 - KR_BASE * base_inverse; /* Newton's iteration modulo 2^64 */
    for (int i = 0; i <= KR_MAX_TOKEN_WORD; i++) {
        kr_powers[i] = power;
        kr_inverse_powers[i] = inverse;
        power *= KR_BASE;
        inverse *= base_inverse;
    }
    for (int i = 0; i < KR_LOGS; i++) kr_one_plus_log[i] = i ? 1.0 + log((double)i) : 0.0;
    for (int c = 0; c < 128; c++) {
        uint8_t byte = 0;
        if (c >= '0' && c <= '9') byte = '0';
        if (c >= 'a' && c <= 'z') byte = (uint8_t)c;
        if (c >= 'A' && c <= 'Z') byte = (uint8_t)(c + 32);
        if (c == '\'' || c == '`') byte = 1;
        if (c == '[') byte = 2;
        kr_ascii_raw[c] = byte;
    }
    kr_choose_instructions("");
}

#endif
