# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled scorer: strings in, scores out, without the interpreter's lock. See ``_kernel.h`` and ``engine.py``."""

import unicodedata

import numpy as np

from contact_reasons.arrays import room_for
from contact_reasons.classifier.features import APOSTROPHES, fold

from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    int PyUnicode_KIND(object text)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef extern from "_kernel.h" nogil:
    enum: KR_WORD, KR_LETTER, KR_MARK, KR_DIGIT, KR_DROPPED, KR_RAW, KR_LANES, KR_N_MASKS, KR_FIRST_MASK
    ctypedef struct kr_slot:
        pass
    ctypedef struct kr_table:
        pass
    ctypedef struct kr_prior:
        kr_table table
        const int8_t* vectors
        const float* scale
        size_t width
    ctypedef struct kr_model:
        kr_table table
        size_t n_features, first_char
        const float* idf
        const float* scale
        const int8_t* rows
        const float* intercept
        size_t n_columns, width
        const kr_prior* prior
        size_t hidden, longest
        const int32_t* tuned_at
        const int8_t* tuned_rows
        const float* tuned_scale
        const float* projection
        size_t n_word_rows
        const int8_t* word_rows
        const float* word_scale
        const float* hidden_bias
        const float* out
    ctypedef struct kr_family:
        uint32_t* ids
        float* weights
        size_t n
        float inverse_norm
    ctypedef struct kr_work:
        kr_family* families
    ctypedef struct kr_text:
        const void* data
        size_t length
        int kind
    uint8_t** kr_pages
    void kr_start()
    const char* kr_choose_instructions(const char* wanted)
    unsigned kr_table_bits(size_t n)
    void kr_table_fill(kr_table* table, kr_slot* slots, const uint64_t* hashes, const uint32_t* ids, size_t n)
    int kr_work_make(kr_work* work, const kr_model* model)
    void kr_work_free(kr_work* work)
    void kr_read(const kr_model* model, kr_work* work, const kr_text* text)
    void kr_weigh(const kr_model* model, kr_work* work, kr_family* family)
    ctypedef struct kr_map:
        double half_words, a, b, c, least_known
    void kr_predict_block(const kr_model* model, kr_work* work, const kr_map* by, const kr_text* texts, size_t n, size_t k, double* proba, double* in_scope)
    void kr_score_block(const kr_model* model, kr_work* work, const kr_text* texts, size_t n, float* scores, int32_t* words)
    uint32_t kr_code(const kr_text* text, size_t i)
    int kr_class(uint32_t code)
    size_t kr_word_tokens(const kr_prior* prior, const uint32_t* codes, size_t n, uint32_t* tokens)

cdef enum:
    BLOCK_TEXTS = 1024
    BLOCK_CHARS = 1 << 19


cdef int fill_page(uint32_t page) except -1:
    """Classes of 256 code points, from the running Python's Unicode tables."""
    cdef uint8_t* classes = <uint8_t*>calloc(256, 1)
    if classes == NULL:
        raise MemoryError
    cdef uint32_t i
    for i in range(256):
        code = (page << 8) + i
        category = unicodedata.category(chr(code))
        if category[0] in "LMN" or KR_FIRST_MASK <= code < KR_FIRST_MASK + KR_N_MASKS:
            classes[i] = KR_WORD | (KR_LETTER if category[0] == "L" else 0) | (KR_MARK if category[0] == "M" else 0)
        classes[i] |= (KR_DIGIT if category == "Nd" else 0) | (KR_DROPPED if chr(code) in APOSTROPHES else 0)
    kr_pages[page] = classes
    return 0


cdef int point_at(object text, list kept, kr_text* target) except -1:
    """Where a text's characters lie; what is not ASCII is folded first; both are kept alive."""
    if not PyUnicode_Check(text):
        raise TypeError(f"texts holds a {type(text).__name__}; every text must be a string")
    cdef size_t i
    if PyUnicode_IS_ASCII(text):
        target.kind = KR_RAW
    else:
        text = fold(text)
        target.kind = PyUnicode_KIND(text)
    kept.append(text)
    target.data = PyUnicode_DATA(text)
    target.length = PyUnicode_GET_LENGTH(text)
    if target.kind != KR_RAW:
        for i in range(target.length):
            if kr_pages[kr_code(target, i) >> 8] == NULL:
                fill_page(kr_code(target, i) >> 8)
    return 0


kr_start()
fill_page(0)
fill_page(KR_FIRST_MASK >> 8)


def instructions(wanted=""):
    """Use these instructions ('' for the best): 'avx512f', 'avx2' or 'plain'; the name of what is used from now on."""
    return kr_choose_instructions(wanted.encode()).decode()


def _flat(values, dtype):
    """Contiguous and never empty, so that there is something to point at."""
    values = np.ascontiguousarray(values, dtype=dtype).reshape(-1)
    return values if len(values) else np.zeros(KR_LANES, dtype=dtype)


def _padded(rows, dtype):
    """Rows with zeros behind, up to a multiple of the vector width."""
    rows = np.ascontiguousarray(rows, dtype=dtype)
    if rows.shape[1] % KR_LANES == 0:
        return rows
    result = np.zeros((rows.shape[0], -(-rows.shape[1] // KR_LANES) * KR_LANES), dtype=dtype)
    result[:, : rows.shape[1]] = rows
    return result


def _taken(rows, order):
    """Some rows of int8, in an order, with zeros behind."""
    cdef const int8_t[:, ::1] source = np.ascontiguousarray(rows, dtype=np.int8)
    cdef const int64_t[::1] at = np.ascontiguousarray(order, dtype=np.int64)
    cdef size_t i, n = at.shape[0], width = source.shape[1], padded = -(-rows.shape[1] // KR_LANES) * KR_LANES
    result = room_for(n * padded).view(np.int8).reshape(n, padded)
    cdef int8_t[:, ::1] target = result
    with nogil:
        for i in range(n):
            memcpy(&target[i, 0], &source[at[i], 0], width)
            memset(&target[i, 0] + width, 0, padded - width)
    return result


cdef object fill_table(kr_table* table, hashes, ids):
    """A hash table over memory that the caller keeps."""
    cdef size_t n = len(hashes)
    cdef const uint64_t[::1] flat_hashes = _flat(hashes, np.uint64)
    cdef const uint32_t[::1] flat_ids = _flat(ids, np.uint32)
    cdef uint8_t[::1] slots = room_for(sizeof(kr_slot) << kr_table_bits(n))
    kr_table_fill(table, <kr_slot*>&slots[0], &flat_hashes[0], &flat_ids[0], n)
    return slots


def _frequent_first(vocabulary, lacking):
    """Numbers of the features: those with a row in the hidden layer, other words, characters; each by rising idf, then as they come.

    Stable and, over 16 bits at a time, without a comparison: positive floats rise with their bits.
    """
    bits = np.ascontiguousarray(vocabulary.idf, dtype=np.float32).view(np.uint32)
    order = np.argsort(bits.astype(np.uint16), kind="stable")
    order = order[np.argsort((bits >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]
    return order[np.argsort((np.asarray(vocabulary.is_char, dtype=np.uint8) * 2 + lacking)[order], kind="stable")]


cdef class Tokens:
    """The tokens of a prior, as the kernel needs them; one object for all models.

    Parameters are the arrays of `contact_reasons.classifier.prior.TokenPrior`.
    """

    cdef kr_prior prior
    cdef list keep
    cdef readonly Py_ssize_t n_tokens, width

    def __init__(self, token_hashes, vectors, vector_scale):
        self.n_tokens, self.width = vectors.shape
        padded = _padded(vectors, np.int8)
        cdef const int8_t[::1] flat = _flat(padded, np.int8)
        cdef const float[::1] scale = _flat(vector_scale, np.float32)
        self.keep = [flat, scale, fill_table(&self.prior.table, token_hashes, np.arange(self.n_tokens, dtype=np.uint32))]
        self.prior.vectors, self.prior.scale, self.prior.width = &flat[0], &scale[0], padded.shape[1]

    def tokenise(self, word):
        """Ids of the tokens of one normalised word."""
        cdef const uint32_t[::1] codes = _flat([ord(character) for character in word], np.uint32)
        cdef uint32_t tokens[64]
        cdef size_t n = kr_word_tokens(&self.prior, &codes[0], len(word), tokens)
        return [tokens[i] for i in range(n)]


cdef class Workspace:
    """Memory of one thread: counts, sums, and the words it has met."""

    cdef kr_work work
    cdef kr_text* texts

    def __cinit__(self):
        self.texts = <kr_text*>malloc(BLOCK_TEXTS * sizeof(kr_text))
        if self.texts == NULL:
            raise MemoryError

    def __dealloc__(self):
        kr_work_free(&self.work)
        free(self.texts)


cdef class Kernel:
    """Scores of texts from the arrays of a model.

    Parameters
    ----------
    arrays : contact_reasons.classifier.engine.ModelArrays
    tokens : Tokens or None
        Those of ``arrays.hidden.prior``.
    """

    cdef kr_model model
    cdef list keep, idle
    cdef object numbers
    cdef readonly Py_ssize_t n_columns
    cdef Tokens tokens

    def __init__(self, arrays, Tokens tokens):
        vocabulary = arrays.vocabulary
        lacking = np.ones(vocabulary.n_features, dtype=np.uint8)
        if arrays.hidden is not None:
            lacking[arrays.hidden.word_ids] = 0
        order = _frequent_first(vocabulary, lacking)
        ids = np.empty(vocabulary.n_features, dtype=np.uint32)
        ids[order] = np.arange(vocabulary.n_features, dtype=np.uint32)
        self.numbers = order
        padded = _taken(arrays.rows, order)
        cdef const float[::1] idf = _flat(vocabulary.idf[order], np.float32)
        cdef const float[::1] scale = _flat(arrays.row_scale[order], np.float32)
        cdef const int8_t[::1] flat_rows = _flat(padded, np.int8)
        cdef const float[::1] intercept = _flat(_padded(arrays.intercept[None, :], np.float32), np.float32)
        self.keep = [idf, scale, flat_rows, intercept, fill_table(&self.model.table, vocabulary.hashes, ids)]
        self.model.n_features = vocabulary.n_features
        self.model.first_char = vocabulary.n_features - int(vocabulary.is_char.sum())
        self.model.idf, self.model.scale, self.model.rows = &idf[0], &scale[0], &flat_rows[0]
        self.model.intercept, self.model.width = &intercept[0], padded.shape[1]
        self.model.n_columns = self.n_columns = len(arrays.intercept)
        self.model.longest = self.model.width
        self.idle = []
        self.tokens = tokens
        if tokens is not None:
            self._take_hidden_layer(arrays.hidden, np.searchsorted(arrays.hidden.word_ids, order[: len(arrays.hidden.word_ids)]))

    def _take_hidden_layer(self, layer, word_order):
        at = np.full(self.tokens.n_tokens, -1, dtype=np.int32)
        at[layer.tuned_ids] = np.arange(len(layer.tuned_ids))
        cdef const int32_t[::1] tuned_at = _flat(at, np.int32)
        cdef const int8_t[::1] tuned_rows = _flat(_padded(layer.tuned_rows, np.int8), np.int8)
        cdef const float[::1] tuned_scale = _flat(layer.tuned_scale, np.float32)
        cdef const int8_t[::1] word_rows = _flat(_taken(layer.word_rows, word_order), np.int8)
        cdef const float[::1] word_scale = _flat(layer.word_scale[word_order], np.float32)
        bias = _padded(layer.hidden_bias[None, :], np.float32)
        hidden, width = bias.shape[1], self.model.width
        projection_rows = np.zeros((self.tokens.prior.width, hidden), dtype=np.float32)
        projection_rows[: layer.projection.shape[0], : layer.projection.shape[1]] = layer.projection
        out_rows = np.zeros((hidden, width), dtype=np.float32)
        out_rows[: layer.out.shape[0], : layer.out.shape[1]] = layer.out
        cdef const float[::1] projection = _flat(projection_rows, np.float32)
        cdef const float[::1] hidden_bias = _flat(bias, np.float32)
        cdef const float[::1] out = _flat(out_rows, np.float32)
        self.keep += [tuned_at, tuned_rows, tuned_scale, word_rows, word_scale, projection, hidden_bias, out]
        self.model.prior = &self.tokens.prior
        self.model.hidden = hidden
        self.model.longest = max(width, hidden, self.tokens.prior.width)
        self.model.tuned_at, self.model.tuned_rows, self.model.tuned_scale = &tuned_at[0], &tuned_rows[0], &tuned_scale[0]
        self.model.n_word_rows = len(layer.word_ids)
        self.model.word_rows, self.model.word_scale = &word_rows[0], &word_scale[0]
        self.model.projection, self.model.hidden_bias, self.model.out = &projection[0], &hidden_bias[0], &out[0]

    cdef Workspace _workspace(self):
        cdef Workspace space
        try:
            return self.idle.pop()
        except IndexError:
            pass
        space = Workspace()
        if kr_work_make(&space.work, &self.model):
            raise MemoryError
        return space

    cdef Py_ssize_t _take(self, tuple texts, Py_ssize_t start, Py_ssize_t stop, Workspace space, list kept) except -1:
        """How many texts from ``start`` on make the next block; the workspace points at them, ``kept`` keeps them alive."""
        cdef Py_ssize_t n = 0, chars = 0
        while start + n < stop and n < BLOCK_TEXTS and chars < BLOCK_CHARS:
            point_at(texts[start + n], kept, &space.texts[n])
            if space.texts[n].kind != KR_RAW:
                chars += space.texts[n].length
            n += 1
        return n

    def score(self, tuple texts, Py_ssize_t start, Py_ssize_t stop, float[:, ::1] scores, int32_t[:, ::1] words):
        """See `contact_reasons.classifier.engine.Engine.score`."""
        cdef Py_ssize_t rows = stop - start
        if not (0 <= start <= stop <= len(texts)) or scores.shape[0] != rows or words.shape[0] != rows or words.shape[1] != 2 or scores.shape[1] != self.n_columns:
            raise ValueError("texts, scores and words do not fit each other")
        cdef Workspace space = self._workspace()
        cdef Py_ssize_t n, at = start
        cdef list kept
        while at < stop:
            kept = []
            n = self._take(texts, at, stop, space, kept)
            with nogil:
                kr_score_block(&self.model, &space.work, space.texts, n, &scores[at - start, 0], &words[at - start, 0])
            at += n
        self.idle.append(space)

    def predict(self, tuple texts, Py_ssize_t start, Py_ssize_t stop, calibration, double[:, ::1] proba, double[::1] in_scope):
        """See `contact_reasons.classifier.engine.Engine.predict`."""
        cdef Py_ssize_t rows = stop - start, k = proba.shape[1]
        if not (0 <= start <= stop <= len(texts)) or proba.shape[0] != rows or in_scope.shape[0] != rows or not (0 < k <= self.n_columns <= k + 1):
            raise ValueError("texts, proba and in_scope do not fit each other")
        cdef kr_map by
        by.half_words, by.a, by.b, by.c, by.least_known = calibration
        cdef Workspace space = self._workspace()
        cdef Py_ssize_t n, at = start
        cdef list kept
        while at < stop:
            kept = []
            n = self._take(texts, at, stop, space, kept)
            with nogil:
                kr_predict_block(&self.model, &space.work, &by, space.texts, n, k, &proba[at - start, 0], &in_scope[at - start])
            at += n
        self.idle.append(space)

    def features(self, list texts):
        """Tf-idf rows of texts.

        Returns
        -------
        offsets : ndarray of int64, shape (n + 1,)
        features : ndarray of int64, shape (n_entries,)
            Indices into the vocabulary, sorted in each row.
        weights : ndarray of float32, shape (n_entries,)
        """
        cdef Workspace space = self._workspace()
        cdef kr_text one
        cdef kr_family* part
        cdef list kept
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        parts_ids, parts_weights = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for row, text in enumerate(texts):
            kept = []
            point_at(text, kept, &one)
            kr_read(&self.model, &space.work, &one)
            offsets[row + 1] = offsets[row]
            for family in range(2):
                part = &space.work.families[family]
                kr_weigh(&self.model, &space.work, part)
                offsets[row + 1] += part.n
                if part.n:
                    parts_ids.append(self.numbers[np.asarray(<uint32_t[: part.n]>part.ids)])
                    parts_weights.append(np.asarray(<float[: part.n]>part.weights) * np.float32(part.inverse_norm))
        self.idle.append(space)
        features, weights = np.concatenate(parts_ids), np.concatenate(parts_weights)
        order = np.lexsort((features, np.repeat(np.arange(len(texts)), np.diff(offsets))))
        return offsets, features[order], weights[order]
