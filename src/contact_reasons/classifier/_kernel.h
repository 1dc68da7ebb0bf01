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

#include "_kernel_words.h"

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
    w->n_words = w->n_known = 0;
    w->has_letters = 0;
    if (m->prior) {
        memset(w->hidden, 0, m->hidden * sizeof(float));
        memset(w->total, 0, m->hidden * sizeof(double));
        w->n_summed = w->n_remembered = w->n_single = 0;
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
    family->n_word_ids = 0;
    for (size_t i = 0; i < family->n; i++) {
        kr_feature *feature = &w->features[family->ids[i]];
        double weight = feature->count < KR_LOGS ? kr_one_plus_log[feature->count] : 1.0 + log((double)feature->count);
        weight *= (double)feature->idf;
        feature->count = 0;
        family->weights[i] = (float)weight;
        family->factors[i] = (float)weight * feature->scale;
        if (family->ids[i] < m->n_word_rows) {
            family->word_ids[family->n_word_ids] = family->ids[i];
            family->word_factors[family->n_word_ids++] = (float)weight * feature->word_scale;
            KR_PREFETCH(m->word_rows + (size_t)family->ids[i] * m->hidden);
        }
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
    kr_flush_words(m, w);
    double share = w->n_tokens ? 1.0 / (double)w->n_tokens : 0.0;
    for (size_t h = 0; h < m->hidden; h++) w->hidden[h] = (float)((w->total[h] + w->hidden[h]) * share);
}

/* Add the words and pairs of a text to the input of the hidden layer. */
static void kr_add_word_rows(const kr_model *m, kr_work *w, const kr_family *words) {
    if (!words->n_word_ids) return;
    memset(w->word_hidden, 0, m->hidden * sizeof(float));
    kr_int8_sums(m->word_rows, m->hidden, words->word_ids, words->word_factors, words->n_word_ids, w->word_hidden);
    for (size_t h = 0; h < m->hidden; h++) w->hidden[h] += words->inverse_norm * w->word_hidden[h];
}

/* The scores of a text, left in w->sums. */
static void kr_score(const kr_model *m, kr_work *w, const kr_text *text, int32_t *words) {
    kr_read(m, w, text);
    int speaks = w->families[0].n + w->families[1].n && w->has_letters;
    words[0] = speaks ? (int32_t)w->n_words : 0;
    words[1] = speaks ? (int32_t)w->n_known : 0;
    memcpy(w->sums, m->intercept, m->width * sizeof(float));
    for (int family = 0; family < 2; family++) kr_weigh(m, w, &w->families[family]);
    for (int family = 0; family < 2; family++) kr_add_family(m, w, &w->families[family]);
    if (m->prior) {
        size_t n_active = 0;
        kr_pool(m, w);
        kr_add_word_rows(m, w, &w->families[0]);
        for (size_t h = 0; h < m->hidden; h++) {
            float value = w->hidden[h] + m->hidden_bias[h];
            w->active[n_active] = (uint32_t)h;
            w->vector[n_active] = value;
            n_active += value > 0;
        }
        kr_float_sums(m->out, m->width, w->active, w->vector, n_active, w->sums);
    }
}

static void kr_score_block(const kr_model *m, kr_work *w, const kr_text *texts, size_t n, float *scores, int32_t *words) {
    for (size_t i = 0; i < n; i++) {
        kr_score(m, w, &texts[i], words + 2 * i);
        memcpy(scores + i * m->n_columns, w->sums, m->n_columns * sizeof(float));
    }
}

/* What scores stand for: see CalibrationMap and distribution() in model.py, which this equals up to rounding. */
typedef struct {
    double half_words, a, b, c, least_known;
} kr_map;

static double kr_log_at_least(double value) { return log(value > 1e-300 ? value : 1e-300); }

static void kr_distribution(
    const kr_map *map, const float *scores, size_t n_columns, size_t k, const int32_t *words, double *proba, double *in_scope
) {
    double n = words[0] > 1 ? (double)words[0] : 1.0, factor = n / (n + map->half_words), rest = 0, second = 0;
    size_t best = 0;
    for (size_t c = 1; c < k; c++)
        if (scores[c] > scores[best]) best = c;
    double top = (double)scores[best] * factor;
    for (size_t c = 0; c < k; c++) {
        proba[c] = c == best ? 0.0 : exp((double)scores[c] * factor - top);
        rest += proba[c];
        if (proba[c] > second) second = proba[c];
    }
    double chance = 1.0, share = 0.0, joint = log1p(rest);
    if (rest > 0) {
        double logs = kr_log_at_least(rest), ahead = kr_log_at_least(second) - logs + KR_AHEAD;
        double odds = map->b * joint - map->a * joint - map->b * logs + map->c;
        if (ahead > -logs) ahead = -logs;
        chance = 1.0 / (1.0 + exp(-(odds > ahead ? odds : ahead)));
        share = (1.0 - chance) / rest;
    }
    for (size_t c = 0; c < k; c++) proba[c] *= share;
    proba[best] = chance;
    int known = words[0] > 0 && (double)words[1] >= map->least_known * (double)words[0];
    *in_scope = !known ? 0.0 : n_columns > k ? 1.0 / (1.0 + exp((double)scores[k] - top - joint)) : 1.0;
}

static void kr_predict_block(
    const kr_model *m, kr_work *w, const kr_map *map, const kr_text *texts, size_t n, size_t k, double *proba, double *in_scope
) {
    int32_t words[2];
    for (size_t i = 0; i < n; i++) {
        kr_score(m, w, &texts[i], words);
        kr_distribution(map, w->sums, m->n_columns, k, words, proba + i * k, in_scope + i);
    }
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
