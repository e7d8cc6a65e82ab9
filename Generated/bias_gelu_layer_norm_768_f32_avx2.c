/*
 * bias_gelu_layer_norm_768_f32_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit bias_gelu_layer_norm_768_f32 --target avx2
 *
 *   kernel bias_gelu_layer_norm_768_f32(
 *     x: f32[rows, 768],
 *     bias: f32[768],
 *     gain: f32[768],
 *     shift: f32[768]
 *   ) {
 *     %1 = x + bias
 *     gelu {
 *       %2 = erf(%1 * 0.70710677) + 1.0
 *       %3 = %1 * 0.5
 *       %4 = %3 * %2
 *     }
 *     layer_norm {
 *       mean_x = mean(%3 * %2)
 *       shifted = %4 - mean_x
 *       mean_square = mean(shifted * shifted)
 *       mean_shifted = mean(shifted)
 *       variance = max(fma(-mean_shifted, mean_shifted, mean_square), 0.0)
 *       centred = shifted - mean_shifted
 *       inv_deviation = 1.0 / sqrt(variance + 1e-05)
 *       y = fma(centred * inv_deviation, gain, shift)
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_x over 768
 *   pass 2: mean_square over 768; mean_shifted over 768
 *   pass 3: store y
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them. Flags that allow them are refused where the compiler announces
 * them, and switched off here where it does not. Clang neither announces nor lets a file switch off
 * -ffp-contract=fast, -ffp-model=fast, -funsafe-math-optimizations and -fno-honor-nans: leave them
 * out.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#if defined(__clang__) ? __clang_major__ < 11 : __GNUC__ < 10
#error "bias_gelu_layer_norm_768_f32_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "bias_gelu_layer_norm_768_f32_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "bias_gelu_layer_norm_768_f32_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("bias_gelu_layer_norm_768_f32_avx2.h")
#include "bias_gelu_layer_norm_768_f32_avx2.h"
#endif
#if defined(__clang__)
#pragma float_control(push)
#pragma float_control(precise, on)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
// Without -O3 partials stay in memory where the loops over them are not peeled.
#pragma GCC optimize("fp-contract=off", "peel-loops")
#if __GNUC__ >= 11
// This pass of gcc 12 takes some addresses for null, overlooks stores behind them, and leaves out calls
// that do nothing else.
#pragma GCC optimize("no-ipa-modref")
#endif
#if !__has_builtin(__builtin_shufflevector)
// Before gcc 12 the lanes' numbers are a vector of integers as wide as the lanes.
#define __builtin_shufflevector(a, b, ...) __builtin_shuffle(a, b, \
    (__typeof__(__builtin_choose_expr(sizeof((a)[0]) == 2, (short)0, 0)) \
        __attribute__((vector_size(sizeof(a))))){__VA_ARGS__})
#endif
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

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(32), aligned(4), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s, s, s, s, s};
}

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return __builtin_ia32_blendvps256(b, a, (vec)mask);
}

// Eight consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// Eight consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// Eight floats past the caches; p is aligned to 32 bytes.
static inline void stream_f32(float *p, vec v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, (vec *)p);
#else
  __builtin_ia32_movntps256(p, v);
#endif
}

// Makes streamed stores visible to other threads before any later store.
static inline void finish_streams(void) {
  __builtin_ia32_sfence();
}

// a · b + c with one rounding.
static inline float multiply_add_scalar(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
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

// |v|: the sign bit cleared.
static inline vec absolute(vec v) {
  return (vec)((uvec)v & 0x7fffffffu);
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

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline float maximum_scalar(float a, float b) {
  return a > b || a != a ? a : b;
}

// e^x as fraction · 2^exponent for |x| < 2^20: the fraction is e^r with |r| <= log(2)/2, a
// polynomial; 1.5·2^23 is added to round x/log(2) to a whole number in the low bits.
static inline vec exp_fraction(vec x, ivec *exponent) {
  vec shifted = multiply_add(x, broadcast(0x1.715476p0f), broadcast(0x1.8p23f));
  vec n = shifted - 0x1.8p23f;
  vec r = multiply_add(n, broadcast(-0x1.62e43p-1f), x);
  r = multiply_add(n, broadcast(0x1.05c61p-29f), r);
  vec p = broadcast(0x1.6ac782p-10f);
  p = multiply_add(p, r, broadcast(0x1.123de2p-7f));
  p = multiply_add(p, r, broadcast(0x1.555858p-5f));
  p = multiply_add(p, r, broadcast(0x1.55548cp-3f));
  p = multiply_add(p, r, broadcast(0x1.fffffcp-2f));
  *exponent = (ivec)((uvec)shifted - 0x4b400000u);
  return multiply_add(multiply_add(p, r, broadcast(1)), r, broadcast(1));
}

// 2^n for -127 < n < 128.
static inline vec power_of_two(ivec n) {
  return (vec)(((uvec)n + 127u) << 23u);
}

// e^x for -87 <= x <= 88 or NaN, where the result is neither denormal nor infinite.
static inline vec exp_in_range(vec x) {
  ivec exponent;
  vec fraction = exp_fraction(x, &exponent);
  return fraction * power_of_two(exponent);
}

// The error function: an odd polynomial below 0.9375, 1 - e^-q(t) above with a polynomial
// q = -log erfc, 1 from 3.92 on.
static inline vec vec_erf(vec x) {
  vec t = absolute(x);
  vec s = t * t;
  vec p = broadcast(0x1.98043p-20f);
  p = multiply_add(p, s, broadcast(0x1.3e539cp-14f));
  p = multiply_add(p, s, broadcast(-0x1.a3e28cp-11f));
  p = multiply_add(p, s, broadcast(0x1.5429dcp-8f));
  p = multiply_add(p, s, broadcast(-0x1.b7ff66p-6f));
  p = multiply_add(p, s, broadcast(0x1.ce2d5cp-4f));
  p = multiply_add(p, s, broadcast(-0x1.81274p-2f));
  p = multiply_add(p, s, broadcast(0x1.06eba8p-3f));
  vec small = multiply_add(p, t, t);
  vec u = vec_select(t > 4.0f, broadcast(4), t);
  vec q = broadcast(0x1.32092ap-22f);
  q = multiply_add(q, u, broadcast(0x1.27a744p-16f));
  q = multiply_add(q, u, broadcast(-0x1.b4c566p-12f));
  q = multiply_add(q, u, broadcast(0x1.0e0092p-8f));
  q = multiply_add(q, u, broadcast(-0x1.9a1ce8p-6f));
  q = multiply_add(q, u, broadcast(0x1.bb21d4p-4f));
  q = multiply_add(q, u, broadcast(0x1.444dd6p-1f));
  q = multiply_add(q, u, broadcast(0x1.21268cp0f));
  q = multiply_add(q, u, broadcast(-0x1.684464p-13f));
  vec large = 1.0f - exp_in_range((vec)((uvec)q ^ 0x80000000u));
  vec magnitude = vec_select(t < 0.9375f, small, large);
  return (vec)((uvec)magnitude | ((uvec)x & 0x80000000u));
}

// Stores a vector, past the caches if `stream` is set; the bits are the same.
static inline void put_f32(float *p, vec v, int stream) {
  if (stream) stream_f32(p, v);
  else store_f32(p, v);
}

// Asks for 64 floats to come closer. They need not be readable, nor belong to an array, so that
// their addresses are taken as numbers.
static inline void prefetch_f32_group(const float *p) {
  for (uintptr_t byte = 0; byte < 256; byte += 64) {
    __builtin_prefetch((const void *)((uintptr_t)p + byte), 0, 2);
  }
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

/*
 * bias_gelu_layer_norm_768_f32_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x      f32 [rows, 768]; x_stride elements from row to row
 *   bias   f32 [768]
 *   gain   f32 [768]
 *   shift  f32 [768]
 *   y      f32 [rows, 768], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void bias_gelu_layer_norm_768_f32_avx2(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict bias, const float *restrict gain, const float *restrict shift,
    float *restrict y, int64_t y_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 1366 && ((uintptr_t)y | (uintptr_t)(y_stride * 4)) % 32 == 0;
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *y_row = y + row * y_stride;
    float sum_kept[768];
    float shifted_kept[768];
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_x = mean(%3 * %2), over all 768; keeps sum.
    vec mean_x_partials[8] = {{0}};
    for (int64_t i = 0; i < 768; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec sum_i = load_f32(x_row + i + p * 8) + load_f32(bias + i + p * 8);
        const vec sum_i2 = vec_erf(sum_i * 0.70710677f) + 1.0f;
        mean_x_partials[p] = multiply_add(sum_i * 0.5f, sum_i2, mean_x_partials[p]);
        store_f32(sum_kept + i + p * 8, sum_i2);
      }
    }
    const float mean_x = sum_partials(mean_x_partials) / 768.0f;
    // Pass 2: mean_square = mean(shifted * shifted), over all 768; mean_shifted = mean(shifted),
    // over all 768; keeps shifted.
    vec mean_square_partials[8] = {{0}};
    vec mean_shifted_partials[8] = {{0}};
    for (int64_t i = 0; i < 768; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec shifted_i = (load_f32(x_row + i + p * 8) + load_f32(bias + i + p * 8)) * 0.5f
            * load_f32(sum_kept + i + p * 8) - mean_x;
        mean_square_partials[p] = multiply_add(shifted_i, shifted_i, mean_square_partials[p]);
        mean_shifted_partials[p] = mean_shifted_partials[p] + shifted_i;
        store_f32(shifted_kept + i + p * 8, shifted_i);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 768.0f;
    const float mean_shifted = sum_partials(mean_shifted_partials) / 768.0f;
    const float variance = maximum_scalar(multiply_add_scalar(-mean_shifted, mean_shifted,
        mean_square), 0.0f);
    const float inv_deviation = 1.0f / square_root_scalar(variance + 1e-05f);
    // Pass 3: output y.
    for (int64_t i = 0; i < 768; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      for (int64_t p = 0; p < 8; ++p) {
        const vec shifted_i = load_f32(shifted_kept + i + p * 8);
        const vec centred_i = shifted_i - mean_shifted;
        put_f32(y_row + i + p * 8, multiply_add(centred_i * inv_deviation,
            load_f32(gain + i + p * 8), load_f32(shift + i + p * 8)), stream);
      }
    }
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t bias_gelu_layer_norm_768_f32_avx2_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t bias_gelu_layer_norm_768_f32_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void bias_gelu_layer_norm_768_f32_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *bias, const float *gain, const float *shift, float *y, int64_t y_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  bias_gelu_layer_norm_768_f32_avx2(count, x + row * x_stride, x_stride, bias, gain, shift,
      y + row * y_stride, y_stride);
}

void bias_gelu_layer_norm_768_f32_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  bias_gelu_layer_norm_768_f32_avx2_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
      buffers[3], buffers[4], strides[4], scratch, phase, part, parts);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#if __GNUC__ < 12
#undef __builtin_shufflevector
#endif
#endif
#endif
