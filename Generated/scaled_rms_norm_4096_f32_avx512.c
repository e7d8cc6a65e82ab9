/*
 * scaled_rms_norm_4096_f32_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit scaled_rms_norm_4096_f32 --target avx512
 *
 *   kernel scaled_rms_norm_4096_f32(x: f32[rows, 4096], gain: f32[4096]) {
 *     rms_norm {
 *       abs_max = row_max(abs(x))
 *       abs_max_binade = binade(max(abs_max, 0.001))
 *       range_scale = min(max(2.3283064e-10 / abs_max_binade, 1.0), 4.2949673e+09 / abs_max_binade)
 *       scaled = x * range_scale
 *       mean_square_scaled = mean(scaled * scaled)
 *       inv_rms_scaled = 1.0 / sqrt(mean_square_scaled + 1e-06 * range_scale * range_scale)
 *       y = scaled * inv_rms_scaled * gain
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: abs_max over 4096
 *   pass 2: mean_square_scaled over 4096
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
#error "scaled_rms_norm_4096_f32_avx512.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "scaled_rms_norm_4096_f32_avx512.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "scaled_rms_norm_4096_f32_avx512.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("scaled_rms_norm_4096_f32_avx512.h")
#include "scaled_rms_norm_4096_f32_avx512.h"
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

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(64), aligned(4), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s};
}

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Sixteen consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// Sixteen consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// Sixteen floats past the caches; p is aligned to 64 bytes.
static inline void stream_f32(float *p, vec v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, (vec *)p);
#else
  __builtin_ia32_movntps512(p, v);
#endif
}

// Makes streamed stores visible to other threads before any later store.
static inline void finish_streams(void) {
  __builtin_ia32_sfence();
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

// |v|: the sign bit cleared.
static inline vec absolute(vec v) {
  return (vec)((uvec)v & 0x7fffffffu);
}

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline vec maximum(vec a, vec b) {
#if defined(__clang__)
  return vec_select(a != a, a, __builtin_ia32_maxps512(a, b, 4));
#else
  return vec_select(a != a, a, __builtin_ia32_maxps512_mask(a, b, a, (uint16_t)-1, 4));
#endif
}

// The greater of a, a magnitude or -infinity, and |b|; NaN where either is NaN. As integers, the
// bits of magnitudes have their order, and NaN is above infinity.
static inline vec maximum_magnitude(vec a, vec b) {
#if __has_builtin(__builtin_elementwise_max)
  return (vec)__builtin_elementwise_max((ivec)a, (ivec)absolute(b));
#elif defined(__clang__)
  return vec_select((ivec)a > (ivec)absolute(b), a, absolute(b));
#else
  return (vec)__builtin_ia32_pmaxsd512_mask((ivec)a, (ivec)absolute(b), (ivec)a, (uint16_t)-1);
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

// The greatest of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float max_partials(const vec p[4]) {
  vec a = maximum(p[0], p[2]);
  vec b = maximum(p[1], p[3]);
  a = maximum(a, b);
  a = maximum(
      a, __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  a = maximum(
      a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  a = maximum(
      a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  a = maximum(
      a, __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return a[0];
}

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline float maximum_scalar(float a, float b) {
  return a > b || a != a ? a : b;
}

// The lesser of a and b; b where they compare equal, NaN where either is NaN.
static inline float minimum_scalar(float a, float b) {
  return a < b || a != a ? a : b;
}

// The greatest power of two up to |s|: 2^127 for infinity, 0 for 0, NaN for NaN.
static inline float binade_scalar(float s) {
  union { float value; uint32_t bits; } u = {s};
  if (s != s) {
    return s;
  }
  u.bits &= 0x7fffffffu;
  if (u.bits < 0x800000u) {
    // The exponent of a denormal times 2^24 is that of its leading bit.
    u.value *= 0x1p24f;
    u.bits &= 0x7f800000u;
    return u.value * 0x1p-24f;
  }
  u.bits &= 0x7f800000u;
  return minimum_scalar(u.value, 0x1p127f);
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
 * scaled_rms_norm_4096_f32_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x     f32 [rows, 4096]; x_stride elements from row to row
 *   gain  f32 [4096]
 *   y     f32 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void scaled_rms_norm_4096_f32_avx512(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, float *restrict y, int64_t y_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 256 && ((uintptr_t)y | (uintptr_t)(y_stride * 4)) % 64 == 0;
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *y_row = y + row * y_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: abs_max = row_max(abs(x)), over all 4096.
    vec abs_max_partials[4];
    for (int64_t p = 0; p < 4; ++p) abs_max_partials[p] = broadcast(-__builtin_inff());
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        abs_max_partials[p] = maximum_magnitude(abs_max_partials[p], load_f32(x_row + i + p * 16));
      }
    }
    const float abs_max = max_partials(abs_max_partials);
    const float abs_max_binade = binade_scalar(maximum_scalar(abs_max, 0.001f));
    const float range_scale = minimum_scalar(maximum_scalar(2.3283064e-10f / abs_max_binade, 1.0f),
        4.2949673e+09f / abs_max_binade);
    // Pass 2: mean_square_scaled = mean(scaled * scaled), over all 4096.
    vec mean_square_scaled_partials[4] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec scaled_i = load_f32(x_row + i + p * 16) * range_scale;
        mean_square_scaled_partials[p] = multiply_add(scaled_i, scaled_i,
            mean_square_scaled_partials[p]);
      }
    }
    const float mean_square_scaled = sum_partials(mean_square_scaled_partials) / 4096.0f;
    const float inv_rms_scaled = 1.0f / square_root_scalar(mean_square_scaled + 1e-06f
        * range_scale * range_scale);
    // Pass 3: output y.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      for (int64_t p = 0; p < 4; ++p) {
        const vec scaled_i = load_f32(x_row + i + p * 16) * range_scale;
        put_f32(y_row + i + p * 16, scaled_i * inv_rms_scaled * load_f32(gain + i + p * 16),
            stream);
      }
    }
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t scaled_rms_norm_4096_f32_avx512_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t scaled_rms_norm_4096_f32_avx512_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void scaled_rms_norm_4096_f32_avx512_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, float *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part,
    int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  scaled_rms_norm_4096_f32_avx512(count, x + row * x_stride, x_stride, gain, y + row * y_stride,
      y_stride);
}

void scaled_rms_norm_4096_f32_avx512_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  scaled_rms_norm_4096_f32_avx512_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
      strides[2], scratch, phase, part, parts);
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
