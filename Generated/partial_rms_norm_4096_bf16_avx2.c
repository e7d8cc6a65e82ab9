/*
 * partial_rms_norm_4096_bf16_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit partial_rms_norm_4096_bf16 --target avx2
 *
 *   kernel partial_rms_norm_4096_bf16(x: bf16[rows, 4096], gain: bf16[4096]) {
 *     rms_norm {
 *       mean_square = mean(x * x, fraction: 0.0625, rounding: up)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       y = x * inv_rms * gain
 *     }
 *   } -> y: bf16
 *
 * Schedule row_streaming: 2 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_square over 256
 *   pass 2: store y
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them, so they are switched off here and fast-math is refused.
 */
#if defined(__x86_64__)
#include <stddef.h>
#include <stdint.h>

#if defined(__FAST_MATH__)
#error "partial_rms_norm_4096_bf16_avx2.c fixes every rounding; compile it without -ffast-math"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,fma,f16c")
#endif

// Eight Float32 lanes of an AVX2 register.
typedef float vec __attribute__((vector_size(32)));

// Eight Int32 lanes; a comparison gives -1 (true) or 0 in each.
typedef int32_t ivec __attribute__((vector_size(32)));

// Eight lanes of bits, for arithmetic that wraps.
typedef uint32_t uvec __attribute__((vector_size(32)));

// Eight 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(16)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(16), aligned(2), may_alias));

// Lanes of a where the mask is set, of b elsewhere.
static inline vec select(ivec mask, vec a, vec b) {
  return __builtin_ia32_blendvps256(b, a, (vec)mask);
}

// Eight consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Eight consecutive 16-bit values.
static inline void store_u16(uint16_t *p, hvec h) {
  *(hvec_in_memory *)p = h;
}

// Eight 16-bit values past the caches; p is aligned to 16 bytes.
static inline void stream_u16(uint16_t *p, hvec h) {
#if defined(__clang__)
  __builtin_nontemporal_store(h, (hvec *)p);
#else
  typedef long long quads __attribute__((vector_size(16)));
  __builtin_ia32_movntdq((quads *)p, (quads)h);
#endif
}

// a · b + c with one rounding.
static inline vec multiply_add(vec a, vec b, vec c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#else
  return __builtin_ia32_vfmaddps256(a, b, c);
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
static inline float sum_partials(const vec p[8]) {
  vec a = p[0] + p[4];
  vec b = p[1] + p[5];
  vec c = p[2] + p[6];
  vec d = p[3] + p[7];
  a = a + c;
  b = b + d;
  a = a + b;
  a = a + __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3);
  a = a + __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5);
  a = a + __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6);
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
 * partial_rms_norm_4096_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x     bf16 [rows, 4096]; x_stride elements from row to row
 *   gain  bf16 [4096]
 *   y     bf16 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
static inline __attribute__((always_inline)) void partial_rms_norm_4096_bf16_avx2_rows(int64_t rows, const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain, uint16_t *restrict y, int64_t y_stride, const int stream) {
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    uint16_t *y_row = y + row * y_stride;
    // Pass 1: mean_square = mean(x * x, fraction: 0.0625, rounding: up), over the first 256.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 256; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec x_i = load_bf16(x_row + i + p * 8);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 256.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output y.
    for (int64_t i = 0; i < 4096; i += 8) {
      put_bf16(y_row + i, load_bf16(x_row + i) * inv_rms * load_bf16(gain + i), stream);
    }
  }
}

void partial_rms_norm_4096_bf16_avx2(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, uint16_t *restrict y, int64_t y_stride) {
  // Outputs larger than the caches bypass them where their rows are aligned.
  if (rows >= 512 && ((uintptr_t)y | (uintptr_t)(y_stride * 2)) % 16 == 0) {
    partial_rms_norm_4096_bf16_avx2_rows(rows, x, x_stride, gain, y, y_stride, 1);
    stream_end();
  } else {
    partial_rms_norm_4096_bf16_avx2_rows(rows, x, x_stride, gain, y, y_stride, 0);
  }
}

void partial_rms_norm_4096_bf16_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides) {
  partial_rms_norm_4096_bf16_avx2(rows, buffers[0], strides[0], buffers[1], buffers[2], strides[2]);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
