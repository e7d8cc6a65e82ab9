/*
 * refact_layer_norm_2048_bf16_neon: a kernel for neon, emitted by NormGen. Regenerate with
 *
 *   normgen emit refact_layer_norm_2048_bf16 --target neon
 *
 *   kernel refact_layer_norm_2048_bf16(x: bf16[rows, 2048], gain: bf16[2048]) {
 *     layer_norm {
 *       mean_x = mean(x)
 *       centred = x - mean_x
 *       variance = mean(centred * centred)
 *       inv_deviation = 1.0 / sqrt(variance + 1e-05)
 *       y = centred * inv_deviation * gain
 *     }
 *   } -> y: bf16
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_x over 2048
 *   pass 2: variance over 2048
 *   pass 3: store y
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them, so they are switched off here and fast-math is refused.
 */
#if defined(__aarch64__)
#include <stddef.h>
#include <stdint.h>

#if defined(__FAST_MATH__)
#error "refact_layer_norm_2048_bf16_neon.c fixes every rounding; compile it without -ffast-math"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

// Four Float32 lanes of a NEON register.
typedef float vec __attribute__((vector_size(16)));

// Four Int32 lanes; a comparison gives -1 (true) or 0 in each.
typedef int32_t ivec __attribute__((vector_size(16)));

// Four lanes of bits, for arithmetic that wraps.
typedef uint32_t uvec __attribute__((vector_size(16)));

// Four 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(8)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(8), aligned(2), may_alias));

// Lanes of a where the mask is set, of b elsewhere.
static inline vec select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Four consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Four consecutive 16-bit values.
static inline void store_u16(uint16_t *p, hvec h) {
  *(hvec_in_memory *)p = h;
}

// Four 16-bit values; a plain store, for this target has none that passes the caches.
static inline void stream_u16(uint16_t *p, hvec h) {
  store_u16(p, h);
}

// a · b + c with one rounding.
static inline vec multiply_add(vec a, vec b, vec c) {
#if __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#elif __has_builtin(__builtin_aarch64_fmav4sf)
  return __builtin_aarch64_fmav4sf(a, b, c);
#else
  return (vec){__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]),
               __builtin_fmaf(a[2], b[2], c[2]), __builtin_fmaf(a[3], b[3], c[3])};
#endif
}

// The correctly rounded square root.
static inline float square_root_scalar(float s) {
  float root;
  __asm__("fsqrt %s0, %s1" : "=w"(root) : "w"(s));
  return root;
}

// The sum of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float sum_partials(const vec p[16]) {
  vec a[8];
  for (int i = 0; i < 8; i++) {
    a[i] = p[i] + p[i + 8];
  }
  for (int s = 4; s > 0; s /= 2) {
    for (int i = 0; i < s; i++) {
      a[i] = a[i] + a[i + s];
    }
  }
  vec v = a[0];
  v = v + __builtin_shufflevector(v, v, 2, 3, 0, 1);
  v = v + __builtin_shufflevector(v, v, 1, 0, 3, 2);
  return v[0];
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
 * refact_layer_norm_2048_bf16_neon of `rows` rows; with none, nothing is read or written.
 *
 *   x     bf16 [rows, 2048]; x_stride elements from row to row
 *   gain  bf16 [2048]
 *   y     bf16 [rows, 2048], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
static inline __attribute__((always_inline)) void refact_layer_norm_2048_bf16_neon_rows(int64_t rows, const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain, uint16_t *restrict y, int64_t y_stride, const int stream) {
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    uint16_t *y_row = y + row * y_stride;
    // Pass 1: mean_x = mean(x), over all 2048.
    vec mean_x_partials[16] = {{0}};
    for (int64_t i = 0; i < 2048; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        mean_x_partials[p] = mean_x_partials[p] + load_bf16(x_row + i + p * 4);
      }
    }
    const float mean_x = sum_partials(mean_x_partials) / 2048.0f;
    // Pass 2: variance = mean(centred * centred), over all 2048.
    vec variance_partials[16] = {{0}};
    for (int64_t i = 0; i < 2048; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        const vec centred_i = load_bf16(x_row + i + p * 4) - mean_x;
        variance_partials[p] = multiply_add(centred_i, centred_i, variance_partials[p]);
      }
    }
    const float variance = sum_partials(variance_partials) / 2048.0f;
    const float inv_deviation = 1.0f / square_root_scalar(variance + 1e-05f);
    // Pass 3: output y.
    for (int64_t i = 0; i < 2048; i += 4) {
      const vec centred_i = load_bf16(x_row + i) - mean_x;
      put_bf16(y_row + i, centred_i * inv_deviation * load_bf16(gain + i), stream);
    }
  }
}

void refact_layer_norm_2048_bf16_neon(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, uint16_t *restrict y, int64_t y_stride) {
  // Outputs larger than the caches bypass them where their rows are aligned.
  if (rows >= 1024 && ((uintptr_t)y | (uintptr_t)(y_stride * 2)) % 8 == 0) {
    refact_layer_norm_2048_bf16_neon_rows(rows, x, x_stride, gain, y, y_stride, 1);
    stream_end();
  } else {
    refact_layer_norm_2048_bf16_neon_rows(rows, x, x_stride, gain, y, y_stride, 0);
  }
}

void refact_layer_norm_2048_bf16_neon_entry(int64_t rows, void *const *buffers,
    const int64_t *strides) {
  refact_layer_norm_2048_bf16_neon(rows, buffers[0], strides[0], buffers[1], buffers[2],
      strides[2]);
}

#endif
