/* The model, a thread's workspace, and what a word adds to it. See _kernel.h. */
#ifndef CONTACT_REASONS_KERNEL_WORDS_H
#define CONTACT_REASONS_KERNEL_WORDS_H

#include "_kernel_base.h"

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
    size_t n_word_rows;       /* ids below it have a row in the hidden layer; at most first_char */
    const int8_t *word_rows;  /* (n_word_rows, hidden) by id */
    const float *word_scale;  /* (n_word_rows,) by id */
} kr_model;

typedef struct {
    uint64_t key[2], polynomial;
    uint32_t first_id, n_tokens, hidden;
    int32_t single; /* its row if it is one tuned token, else -1 */
    uint16_t n_ids[2];         /* of each family */
    uint8_t kind, has_letters; /* kind 0: empty */
} kr_memo_word;

typedef struct {
    uint32_t count; /* in the text that is being read; 0 between texts */
    float idf, scale, word_scale; /* word_scale: of its row in the hidden layer */
} kr_feature;

/* Distinct features of one family in a text, in order of appearance. */
typedef struct {
    uint32_t *ids;
    float *weights, *factors; /* tf-idf before it is scaled to unit length; the same times the row's scale */
    uint32_t *word_ids;       /* those of `ids` that have a row in the hidden layer */
    float *word_factors;      /* their tf-idf times that row's scale */
    size_t n_word_ids;
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
    uint32_t single[KR_CHUNK]; /* tuned rows of words of one token that are not in `hidden` yet */
    float single_scale[KR_CHUNK];
    size_t n_single;
    float *ones;
    uint32_t *sequence, *active; /* 0, 1, 2, ...; hidden units above zero */
    size_t n_tokens;
    uint64_t last_word;
    uint32_t n_words, n_known;
    int has_letters;
} kr_work;

static void kr_work_free(kr_work *w) {
    for (int family = 0; family < 2; family++)
        free(w->families[family].ids), free(w->families[family].weights), free(w->families[family].factors);
    for (int family = 0; family < 2; family++) free(w->families[family].word_ids), free(w->families[family].word_factors);
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
        w->families[family].word_ids = (uint32_t *)malloc(most * sizeof(uint32_t));
        w->families[family].word_factors = (float *)malloc(most * sizeof(float));
        whole &= w->families[family].word_ids && w->families[family].word_factors;
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
        w->features[i].word_scale = i < m->n_word_rows ? m->word_scale[i] : 0.0f;
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
    if (w->n_words) {
        uint64_t hash = kr_mix(w->last_word + KR_BASE * polynomial + KR_SEED_PAIR);
        if (w->n_pairs == KR_CHUNK) kr_flush_pairs(m, w);
        kr_table_prefetch(&m->table, hash);
        w->pairs[w->n_pairs++] = hash;
    }
    w->n_words++;
    w->last_word = polynomial;
}

/* Vectors of words are added in the order of the text, wherever they lie. */
static void kr_flush_remembered(const kr_model *m, kr_work *w) {
    kr_float_sums(w->memo_hidden, m->hidden, w->remembered, w->ones, w->n_remembered, w->hidden);
    w->n_remembered = 0;
}

/* All that is not in `hidden` yet: vectors of words in the order of the text, then single rows in the order of the text. */
static void kr_flush_words(const kr_model *m, kr_work *w) {
    kr_flush_remembered(m, w);
    kr_int8_sums(m->tuned_rows, m->hidden, w->single, w->single_scale, w->n_single, w->hidden);
    w->n_single = 0;
}

/* The tuned row of a word that is one token, or -1: it is summed as it is, a quarter of the bytes of a vector. */
static inline int32_t kr_single_row(const kr_model *m, const uint32_t *tokens, size_t n) { return n == 1 ? m->tuned_at[tokens[0]] : -1; }

static inline void kr_add_single(const kr_model *m, kr_work *w, uint32_t row) {
    const int8_t *values = m->tuned_rows + (size_t)row * m->hidden;
    for (size_t at = 0; at < m->hidden; at += 64) KR_PREFETCH(values + at);
    w->single_scale[w->n_single] = m->tuned_scale[row];
    w->single[w->n_single++] = row;
}

static void kr_count_tokens(const kr_model *m, kr_work *w, size_t n_tokens) {
    w->n_tokens += n_tokens;
    if (++w->n_summed == KR_CHUNK) {
        kr_flush_words(m, w);
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
    if (id != KR_NONE) {
        kr_add_ids(m, w, &id, 1);
        w->n_known++;
    }
    for (size_t from = 0; from < n + 1; from += KR_CHUNK) {
        size_t to = from + KR_CHUNK < n + 1 ? from + KR_CHUNK : n + 1;
        kr_add_ids(m, w, ids, kr_run_ids(m, codes, n, from, to, ids));
    }
    kr_add_pair(m, w, polynomial);
    w->has_letters |= kr_has_letters(codes, n);
    if (m->prior) {
        size_t n_tokens = kr_word_tokens(m->prior, codes, n, tokens);
        if (n_tokens) {
            int32_t row = kr_single_row(m, tokens, n_tokens);
            if (row >= 0) {
                kr_add_single(m, w, (uint32_t)row);
            } else {
                kr_flush_remembered(m, w);
                kr_word_hidden(m, w, tokens, n_tokens, w->word_hidden);
                for (size_t h = 0; h < m->hidden; h++) w->hidden[h] += w->word_hidden[h];
            }
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
        word->single = kr_single_row(m, tokens, word->n_tokens);
        if (word->n_tokens && word->single < 0) kr_word_hidden(m, w, tokens, word->n_tokens, w->memo_hidden + m->hidden * w->memo_words);
    }
    w->memo_used += n_ids;
    w->memo_words++;
}

static inline void kr_add_memo_word(const kr_model *m, kr_work *w, const kr_memo_word *word) {
    const uint32_t *ids = w->memo_ids + word->first_id;
    kr_count(w, 0, ids, word->n_ids[0]);
    kr_count(w, 1, ids + word->n_ids[0], word->n_ids[1]);
    kr_add_pair(m, w, word->polynomial);
    w->n_known += word->n_ids[0];
    w->has_letters |= word->has_letters;
    if (word->n_tokens) {
        if (word->single >= 0)
            kr_add_single(m, w, (uint32_t)word->single);
        else
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

#endif
