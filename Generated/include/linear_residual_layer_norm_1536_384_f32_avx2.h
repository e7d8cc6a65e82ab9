/*
 * linear_residual_layer_norm_1536_384_f32_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit linear_residual_layer_norm_1536_384_f32 --target avx2
 */
#ifndef NORMGEN_linear_residual_layer_norm_1536_384_f32_avx2_H
#define NORMGEN_linear_residual_layer_norm_1536_384_f32_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * linear_residual_layer_norm_1536_384_f32_avx2 of `rows` rows; with none, nothing is read or
 * written.
 *
 *   hidden    f32 [rows, 1536]; hidden_stride elements from row to row
 *   residual  f32 [rows, 384]; residual_stride elements from row to row
 *   w_down    f32 [1536, 384];
 *             as linear_residual_layer_norm_1536_384_f32_avx2_pack_w_down leaves them
 *   b_down    f32 [384]
 *   gain      f32 [384]
 *   shift     f32 [384]
 *   y         f32 [rows, 384], written; y_stride elements from row to row
 *
 * scratch: linear_residual_layer_norm_1536_384_f32_avx2_scratch_bytes(rows, 1) bytes of any
 * alignment that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void linear_residual_layer_norm_1536_384_f32_avx2(int64_t rows, const float *hidden,
    int64_t hidden_stride, const float *residual, int64_t residual_stride, const float *w_down,
    const float *b_down, const float *gain, const float *shift, float *y, int64_t y_stride,
    void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to
 * linear_residual_layer_norm_1536_384_f32_avx2_phases(rows, parts) - 1 in order, each with all
 * parts from 0 to parts - 1, at once or one after the other, on scratch memory of
 * linear_residual_layer_norm_1536_384_f32_avx2_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void linear_residual_layer_norm_1536_384_f32_avx2_part(int64_t rows, const float *hidden,
    int64_t hidden_stride, const float *residual, int64_t residual_stride, const float *w_down,
    const float *b_down, const float *gain, const float *shift, float *y, int64_t y_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts);
int64_t linear_residual_layer_norm_1536_384_f32_avx2_phases(int64_t rows, int64_t parts);
int64_t linear_residual_layer_norm_1536_384_f32_avx2_scratch_bytes(int64_t rows, int64_t parts);

// The f32 elements of packed w_down.
int64_t linear_residual_layer_norm_1536_384_f32_avx2_packed_elements_w_down(void);

// Packs w_down: reads f32 [1536, 384] and writes 589824 elements.
void linear_residual_layer_norm_1536_384_f32_avx2_pack_w_down(const float *weights, float *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void linear_residual_layer_norm_1536_384_f32_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
