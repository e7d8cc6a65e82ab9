/*
 * weight_norm_linear_gelu_384_1536_f32_avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit weight_norm_linear_gelu_384_1536_f32 --target avx2
 */
#ifndef NORMGEN_weight_norm_linear_gelu_384_1536_f32_avx2_H
#define NORMGEN_weight_norm_linear_gelu_384_1536_f32_avx2_H

#include <stdint.h>

#if defined(__x86_64__)
#ifdef __cplusplus
extern "C" {
#endif

/*
 * weight_norm_linear_gelu_384_1536_f32_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x            f32 [rows, 384]; x_stride elements from row to row
 *   b_up         f32 [1536]
 *   effective_v  f32 [1536, 384];
 *                as weight_norm_linear_gelu_384_1536_f32_avx2_pack_effective_v leaves them
 *   y            f32 [rows, 1536], written; y_stride elements from row to row
 *
 * scratch: weight_norm_linear_gelu_384_1536_f32_avx2_scratch_bytes(rows, 1) bytes of any alignment
 * that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void weight_norm_linear_gelu_384_1536_f32_avx2(int64_t rows, const float *x, int64_t x_stride,
    const float *b_up, const float *effective_v, float *y, int64_t y_stride, void *scratch);

/*
 * The same by `parts` threads: every phase from 0 to
 * weight_norm_linear_gelu_384_1536_f32_avx2_phases(rows, parts) - 1 in order, each with all parts
 * from 0 to parts - 1, at once or one after the other, on scratch memory of
 * weight_norm_linear_gelu_384_1536_f32_avx2_scratch_bytes(rows, parts) bytes. The bits do not
 * depend on the number of parts.
 */
void weight_norm_linear_gelu_384_1536_f32_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *b_up, const float *effective_v, float *y, int64_t y_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts);
int64_t weight_norm_linear_gelu_384_1536_f32_avx2_phases(int64_t rows, int64_t parts);
int64_t weight_norm_linear_gelu_384_1536_f32_avx2_scratch_bytes(int64_t rows, int64_t parts);

// The f32 elements of packed effective_v.
int64_t weight_norm_linear_gelu_384_1536_f32_avx2_packed_elements_effective_v(void);

// Computes and packs effective_v, f32 [1536, 384]: reads v f32 [1536, 384], g f32 [1536, 1] and
// writes 595968 elements, of which the last 6144 are its own.
void weight_norm_linear_gelu_384_1536_f32_avx2_pack_effective_v(const float *v, const float *g,
    float *packed);
// The same for a caller that has what it reads in an array.
void weight_norm_linear_gelu_384_1536_f32_avx2_entry_pack_effective_v(const void *const *buffers,
    void *packed);

/*
 * The same for a caller that has its parameters in arrays: buffers[i] and strides[i] belong to the
 * i-th tensor above; the stride of a tensor without rows is not read.
 */
void weight_norm_linear_gelu_384_1536_f32_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts);

#ifdef __cplusplus
}
#endif
#endif

#endif
