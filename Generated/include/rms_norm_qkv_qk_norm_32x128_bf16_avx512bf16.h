/*
 * rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_qkv_qk_norm_32x128_bf16 --target avx512bf16
 */
#ifndef NORMGEN_rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_H
#define NORMGEN_rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16 of `rows` rows; with none, nothing is read or
 * written.
 *
 *   x       bf16 [rows, 4096]; x_stride elements from row to row
 *   gain    bf16 [4096]
 *   w_q     bf16 [4096, 4096]; as rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_pack_w_q leaves them
 *   q_gain  bf16 [128]
 *   w_k     bf16 [1024, 4096]; as rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_pack_w_k leaves them
 *   k_gain  bf16 [128]
 *   w_v     bf16 [1024, 4096]; as rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_pack_w_v leaves them
 *   q       bf16 [rows, 32, 128], written; q_stride elements from row to row
 *   k       bf16 [rows, 8, 128], written; k_stride elements from row to row
 *   v       bf16 [rows, 8, 128], written; v_stride elements from row to row
 *
 * scratch: rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_scratch_bytes(rows, 1) bytes of any
 * alignment that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, const uint16_t *w_q, const uint16_t *q_gain, const uint16_t *w_k,
    const uint16_t *k_gain, const uint16_t *w_v, uint16_t *q, int64_t q_stride, uint16_t *k,
    int64_t k_stride, uint16_t *v, int64_t v_stride, void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to
 * rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_phases(rows, parts) - 1 in order, each with all parts
 * from 0 to parts - 1, at once or one after the other, on scratch memory of
 * rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_part(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *gain, const uint16_t *w_q, const uint16_t *q_gain,
    const uint16_t *w_k, const uint16_t *k_gain, const uint16_t *w_v, uint16_t *q,
    int64_t q_stride, uint16_t *k, int64_t k_stride, uint16_t *v, int64_t v_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts);
int64_t rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_phases(int64_t rows, int64_t parts);
int64_t rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_scratch_bytes(int64_t rows, int64_t parts);

// The bf16 elements of packed w_q.
int64_t rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_packed_elements_w_q(void);

// Packs w_q: reads bf16 [4096, 4096] and writes 16777216 elements.
void rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_pack_w_q(const uint16_t *weights,
    uint16_t *packed);

// The bf16 elements of packed w_k.
int64_t rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_packed_elements_w_k(void);

// Packs w_k: reads bf16 [1024, 4096] and writes 4194304 elements.
void rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_pack_w_k(const uint16_t *weights,
    uint16_t *packed);

// The bf16 elements of packed w_v.
int64_t rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_packed_elements_w_v(void);

// Packs w_v: reads bf16 [1024, 4096] and writes 4194304 elements.
void rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_pack_w_v(const uint16_t *weights,
    uint16_t *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void rms_norm_qkv_qk_norm_32x128_bf16_avx512bf16_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
