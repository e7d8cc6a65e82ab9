/*
 * layer_norm_4096_bf16_avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit layer_norm_4096_bf16 --target avx512
 */
#ifndef NORMGEN_layer_norm_4096_bf16_avx512_H
#define NORMGEN_layer_norm_4096_bf16_avx512_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * layer_norm_4096_bf16_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x      bf16 [rows, 4096]; x_stride elements from row to row
 *   gain   bf16 [4096]
 *   shift  bf16 [4096]
 *   y      bf16 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void layer_norm_4096_bf16_avx512(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, const uint16_t *shift, uint16_t *y, int64_t y_stride);

/*
 * The same by `parts` threads: every phase from 0 to layer_norm_4096_bf16_avx512_phases(rows,
 * parts) - 1 in order, each with all parts from 0 to parts - 1, at once or one after the other, on
 * scratch memory of layer_norm_4096_bf16_avx512_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void layer_norm_4096_bf16_avx512_part(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, const uint16_t *shift, uint16_t *y, int64_t y_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts);
int64_t layer_norm_4096_bf16_avx512_phases(int64_t rows, int64_t parts);
int64_t layer_norm_4096_bf16_avx512_scratch_bytes(int64_t rows, int64_t parts);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void layer_norm_4096_bf16_avx512_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
