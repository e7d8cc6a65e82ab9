/*
 * add_rms_norm_4096_bf16_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit add_rms_norm_4096_bf16 --target avx512
 *
 *   kernel add_rms_norm_4096_bf16(
 *     x: bf16[rows, 4096],
 *     residual: bf16[rows, 4096],
 *     gain: bf16[4096]
 *   ) {
 *     hidden = bf16(x + residual)
 *     rms_norm {
 *       mean_square = mean(hidden * hidden)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       normed = bf16(bf16(hidden * inv_rms) * gain)
 *     }
 *   } -> hidden: bf16, normed: bf16
 *
 * Schedule row_streaming: 2 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_square over 4096; store hidden
 *   pass 2: store normed
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them, so they are switched off here and fast-math is refused.
 */
#if defined(__x86_64__)
#include <stddef.h>
#include <stdint.h>

#if defined(__FAST_MATH__)
#error "add_rms_norm_4096_bf16_avx512.c fixes every rounding; compile it without -ffast-math"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

// Sixteen Float32 lanes of an AVX-512 register.
typedef float vec __attribute__((vector_size(64)));

// Sixteen Int32 lanes; a comparison gives -1 (true) or 0 in each.
typedef int32_t ivec __attribute__((vector_size(64)));

// Sixteen lanes of bits, for arithmetic that wraps.
typedef uint32_t uvec __attribute__((vector_size(64)));

// Sixteen 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(32)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(32), aligned(2), may_alias));

// Lanes of a where the mask is set, of b elsewhere.
static inline vec select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Sixteen consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Sixteen consecutive 16-bit values.
static inline void store_u16(uint16_t *p, hvec h) {
  *(hvec_in_memory *)p = h;
}

// Sixteen 16-bit values past the caches; p is aligned to 32 bytes.
static inline void stream_u16(uint16_t *p, hvec h) {
#if defined(__clang__)
  __builtin_nontemporal_store(h, (hvec *)p);
#else
  typedef long long quads __attribute__((vector_size(32)));
  __builtin_ia32_movntdq256((quads *)p, (quads)h);
#endif
}

// a · b + c with one rounding (4 stands for the current one: to nearest).
static inline vec multiply_add(vec a, vec b, vec c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#else
  return __builtin_ia32_vfmaddps512_mask(a, b, c, (uint16_t)-1, 4);
#endif
}

// The correctly rounded square root.
static inline float square_root_scalar(float s) {
#if __has_builtin(__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt(s);
#else
  typedef float quad __attribute__((vector_size(16)));
  return __builtin_ia32_sqrtss((quad){s, 0, 0, 0})[0];
#endif
}

// The sum of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float sum_partials(const vec p[4]) {
  vec a = p[0] + p[2];
  vec b = p[1] + p[3];
  a = a + b;
  a = a + __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  a = a + __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  a = a + __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  a = a + __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return a[0];
}

// bf16 to Float32: the upper half of its bits.
static inline vec widen_bf16(hvec h) {
  return (vec)(__builtin_convertvector(h, uvec) << 16u);
}

// Float32 bits rounded to nearest at bit 16, ties to even; NaN is made quiet.
static inline uvec rounded_bf16_bits(vec v) {
  uvec bits = (uvec)v;
  uvec rounded = bits + 0x7fffu + (bits >> 16u & 1u);
  return (uvec)select(v != v, (vec)(bits | 0x400000u), (vec)rounded);
}

// Float32 to bf16, to nearest, ties to even.
static inline hvec narrow_bf16(vec v) {
  return __builtin_convertvector(rounded_bf16_bits(v) >> 16u, hvec);
}

// v rounded to bf16, as Float32.
static inline vec round_bf16(vec v) {
  return (vec)(rounded_bf16_bits(v) & 0xffff0000u);
}

// One vector of consecutive bf16 values, as Float32.
static inline vec load_bf16(const uint16_t *p) {
  return widen_bf16(load_u16(p));
}

// One vector, each lane rounded to bf16.
static inline void store_bf16(uint16_t *p, vec v) {
  store_u16(p, narrow_bf16(v));
}

// One vector, each lane rounded to bf16, past the caches; p is aligned to that size.
static inline void stream_bf16(uint16_t *p, vec v) {
  stream_u16(p, narrow_bf16(v));
}

// Stores a vector as bf16, past the caches if `stream` is set.
static inline void put_bf16(uint16_t *p, vec v, int stream) {
  if (stream) stream_bf16(p, v);
  else store_bf16(p, v);
}

// Orders streamed stores before whatever the caller does next.
static inline void stream_end(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

/*
 * add_rms_norm_4096_bf16_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x         bf16 [rows, 4096]; x_stride elements from row to row
 *   residual  bf16 [rows, 4096]; residual_stride elements from row to row
 *   gain      bf16 [4096]
 *   hidden    bf16 [rows, 4096], written; hidden_stride elements from row to row
 *   normed    bf16 [rows, 4096], written; normed_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
static inline __attribute__((always_inline)) void add_rms_norm_4096_bf16_avx512_rows(int64_t rows,
    const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict residual,
    int64_t residual_stride, const uint16_t *restrict gain, uint16_t *restrict hidden,
    int64_t hidden_stride, uint16_t *restrict normed, int64_t normed_stride, const int stream) {
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    const uint16_t *residual_row = residual + row * residual_stride;
    uint16_t *hidden_row = hidden + row * hidden_stride;
    uint16_t *normed_row = normed + row * normed_stride;
    // Pass 1: mean_square = mean(hidden * hidden), over all 4096; output hidden.
    vec mean_square_partials[4] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec hidden_i = round_bf16(load_bf16(x_row + i + p * 16)
            + load_bf16(residual_row + i + p * 16));
        mean_square_partials[p] = multiply_add(hidden_i, hidden_i, mean_square_partials[p]);
        store_bf16(hidden_row + i + p * 16, hidden_i);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output normed.
    for (int64_t i = 0; i < 4096; i += 16) {
      put_bf16(normed_row + i, round_bf16(load_bf16(hidden_row + i) * inv_rms)
          * load_bf16(gain + i), stream);
    }
  }
}

void add_rms_norm_4096_bf16_avx512(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict residual, int64_t residual_stride, const uint16_t *restrict gain,
    uint16_t *restrict hidden, int64_t hidden_stride, uint16_t *restrict normed,
    int64_t normed_stride) {
  // Outputs larger than the caches bypass them where their rows are aligned.
  if (rows >= 512 && ((uintptr_t)normed | (uintptr_t)(normed_stride * 2)) % 32 == 0) {
    add_rms_norm_4096_bf16_avx512_rows(rows, x, x_stride, residual, residual_stride, gain, hidden,
        hidden_stride, normed, normed_stride, 1);
    stream_end();
  } else {
    add_rms_norm_4096_bf16_avx512_rows(rows, x, x_stride, residual, residual_stride, gain, hidden,
        hidden_stride, normed, normed_stride, 0);
  }
}

void add_rms_norm_4096_bf16_avx512_entry(int64_t rows, void *const *buffers, const int64_t *strides) {
  add_rms_norm_4096_bf16_avx512(rows, buffers[0], strides[0], buffers[1], strides[1], buffers[2],
      buffers[3], strides[3], buffers[4], strides[4]);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
