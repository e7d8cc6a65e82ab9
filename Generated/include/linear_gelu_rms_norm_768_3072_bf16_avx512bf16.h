/*
 * linear_gelu_rms_norm_768_3072_bf16_avx512bf16, emitted by NormGen. Regenerate with
 *
 *   normgen emit linear_gelu_rms_norm_768_3072_bf16 --target avx512bf16
 */
#ifndef NORMGEN_linear_gelu_rms_norm_768_3072_bf16_avx512bf16_H
#define NORMGEN_linear_gelu_rms_norm_768_3072_bf16_avx512bf16_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * linear_gelu_rms_norm_768_3072_bf16_avx512bf16 of `rows` rows; with none, nothing is read or
 * written.
 *
 *   x     bf16 [rows, 768]; x_stride elements from row to row
 *   w     bf16 [768, 3072]; as linear_gelu_rms_norm_768_3072_bf16_avx512bf16_pack_w leaves them
 *   bias  bf16 [3072]
 *   gain  bf16 [3072]
 *   y     bf16 [rows, 3072], written; y_stride elements from row to row
 *
 * scratch: linear_gelu_rms_norm_768_3072_bf16_avx512bf16_scratch_bytes(rows, 1) bytes of any
 * alignment that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void linear_gelu_rms_norm_768_3072_bf16_avx512bf16(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *w, const uint16_t *bias, const uint16_t *gain, uint16_t *y,
    int64_t y_stride, void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to
 * linear_gelu_rms_norm_768_3072_bf16_avx512bf16_phases(rows, parts) - 1 in order, each with all
 * parts from 0 to parts - 1, at once or one after the other, on scratch memory of
 * linear_gelu_rms_norm_768_3072_bf16_avx512bf16_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void linear_gelu_rms_norm_768_3072_bf16_avx512bf16_part(int64_t rows, const uint16_t *x,
    int64_t x_stride, const uint16_t *w, const uint16_t *bias, const uint16_t *gain, uint16_t *y,
    int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t linear_gelu_rms_norm_768_3072_bf16_avx512bf16_phases(int64_t rows, int64_t parts);
int64_t linear_gelu_rms_norm_768_3072_bf16_avx512bf16_scratch_bytes(int64_t rows, int64_t parts);

// The bf16 elements of packed w.
int64_t linear_gelu_rms_norm_768_3072_bf16_avx512bf16_packed_elements_w(void);

// Packs w: reads bf16 [768, 3072] and writes 2359296 elements.
void linear_gelu_rms_norm_768_3072_bf16_avx512bf16_pack_w(const uint16_t *weights,
    uint16_t *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void linear_gelu_rms_norm_768_3072_bf16_avx512bf16_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
