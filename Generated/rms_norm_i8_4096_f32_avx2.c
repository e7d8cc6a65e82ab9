/*
 * rms_norm_i8_4096_f32_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_i8_4096_f32 --target avx2
 *
 *   kernel rms_norm_i8_4096_f32(x: f32[rows, 4096], gain: f32[4096]) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       %1 = x * inv_rms * gain
 *     }
 *     quantize_rows {
 *       abs_max = row_max(abs(%1))
 *       scale = abs_max / 127.0
 *       q = i8(%1 / scale)
 *     }
 *   } -> q: i8, scale: f32
 *
 * Schedule row_streaming: 3 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_square over 4096
 *   pass 2: abs_max over 4096
 *   pass 3: store q; store scale, one a row
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
#error "rms_norm_i8_4096_f32_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "rms_norm_i8_4096_f32_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "rms_norm_i8_4096_f32_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("rms_norm_i8_4096_f32_avx2.h")
#include "rms_norm_i8_4096_f32_avx2.h"
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

// Thirty-two 8-bit lanes: four bvecs side by side.
typedef int8_t bquad __attribute__((vector_size(32)));

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(32), aligned(4), may_alias));

// A bquad in memory with the alignment of one element.
typedef int8_t bquad_in_memory __attribute__((vector_size(32), aligned(1), may_alias));

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

// Thirty-two consecutive 8-bit values.
static inline void store_s8_quad(int8_t *p, bquad b) {
  *(bquad_in_memory *)p = b;
}

// Thirty-two 8-bit values past the caches; p is aligned to 32 bytes.
static inline void stream_s8_quad(int8_t *p, bquad b) {
#if defined(__clang__)
  __builtin_nontemporal_store(b, (bquad *)p);
#else
  typedef long long quads __attribute__((vector_size(32)));
  __builtin_ia32_movntdq256((quads *)p, (quads)b);
#endif
}

// Makes streamed stores visible to other threads before any later store.
static inline void finish_streams(void) {
  __builtin_ia32_sfence();
}

// The nearest whole numbers up to 127, ties to even; 0 for NaN. What no Int32 holds is below.
static inline ivec nearest_up_to_127(vec v) {
  vec clamped = __builtin_ia32_minps256(v, broadcast(127.0f));
  return __builtin_ia32_cvtps2dq256((vec)((ivec)clamped & (v == v)));
}

// Four vectors of Float32 to i8: packing saturates below, within each half of a register.
static inline bquad narrow_i8_quad(const vec *v) {
  typedef short shorts __attribute__((vector_size(32)));
  shorts low = (shorts)__builtin_ia32_packssdw256(
      nearest_up_to_127(v[0]), nearest_up_to_127(v[1]));
  shorts high = (shorts)__builtin_ia32_packssdw256(
      nearest_up_to_127(v[2]), nearest_up_to_127(v[3]));
  ivec packed = (ivec)__builtin_ia32_packsswb256(low, high);
  return (bquad)__builtin_shufflevector(packed, packed, 0, 4, 1, 5, 2, 6, 3, 7);
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

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline vec maximum(vec a, vec b) {
  return vec_select(a != a, a, __builtin_ia32_maxps256(a, b));
}

// The greater of a, a magnitude or -infinity, and |b|; NaN where either is NaN. As integers, the
// bits of magnitudes have their order, and NaN is above infinity.
static inline vec maximum_magnitude(vec a, vec b) {
#if __has_builtin(__builtin_elementwise_max)
  return (vec)__builtin_elementwise_max((ivec)a, (ivec)absolute(b));
#else
  return (vec)__builtin_ia32_pmaxsd256((ivec)a, (ivec)absolute(b));
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

// The greatest of 64 partials by halves: partial i takes in partial i + s for s = 32, 16, ..., 1.
static inline float max_partials(const vec p[8]) {
  vec a = maximum(p[0], p[4]);
  vec b = maximum(p[1], p[5]);
  vec c = maximum(p[2], p[6]);
  vec d = maximum(p[3], p[7]);
  a = maximum(a, c);
  b = maximum(b, d);
  a = maximum(a, b);
  a = maximum(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3));
  a = maximum(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5));
  a = maximum(a, __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6));
  return a[0];
}

// 64 lanes, each rounded to i8.
static inline void store_i8_group(int8_t *p, const vec *v) {
  enum { lanes = sizeof(vec) / sizeof(float) };
  for (int k = 0; k < 64 / lanes; k += 4) {
    store_s8_quad(p + k * lanes, narrow_i8_quad(v + k));
  }
}

// 64 lanes, each rounded to i8, past the caches; p is aligned to the size of a vec.
static inline void stream_i8_group(int8_t *p, const vec *v) {
  enum { lanes = sizeof(vec) / sizeof(float) };
  for (int k = 0; k < 64 / lanes; k += 4) {
    stream_s8_quad(p + k * lanes, narrow_i8_quad(v + k));
  }
}

// Stores 64 lanes as i8, past the caches if `stream` is set.
static inline void put_i8_group(int8_t *p, const vec *v, int stream) {
  if (stream) stream_i8_group(p, v);
  else store_i8_group(p, v);
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
 * rms_norm_i8_4096_f32_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x      f32 [rows, 4096]; x_stride elements from row to row
 *   gain   f32 [4096]
 *   q      i8 [rows, 4096], written; q_stride elements from row to row
 *   scale  f32 [rows, 1], written; scale_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_i8_4096_f32_avx2(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, int8_t *restrict q, int64_t q_stride, float *restrict scale,
    int64_t scale_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 1024 && ((uintptr_t)q | (uintptr_t)(q_stride * 1)) % 32 == 0;
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    int8_t *q_row = q + row * q_stride;
    float *scale_row = scale + row * scale_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec x_i = load_f32(x_row + i + p * 8);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: abs_max = row_max(abs(%1)), over all 4096.
    vec abs_max_partials[8];
    for (int64_t p = 0; p < 8; ++p) abs_max_partials[p] = broadcast(-__builtin_inff());
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        abs_max_partials[p] = maximum_magnitude(abs_max_partials[p],
            load_f32(x_row + i + p * 8) * inv_rms * load_f32(gain + i + p * 8));
      }
    }
    const float abs_max = max_partials(abs_max_partials);
    const float scale2 = abs_max / 127.0f;
    scale_row[0] = scale2;
    // Pass 3: output q.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      vec q_group[8];
      for (int64_t p = 0; p < 8; ++p) {
        q_group[p] = load_f32(x_row + i + p * 8) * inv_rms * load_f32(gain + i + p * 8) / scale2;
      }
      put_i8_group(q_row + i, q_group, stream);
    }
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t rms_norm_i8_4096_f32_avx2_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t rms_norm_i8_4096_f32_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void rms_norm_i8_4096_f32_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, int8_t *q, int64_t q_stride, float *scale, int64_t scale_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  rms_norm_i8_4096_f32_avx2(count, x + row * x_stride, x_stride, gain, q + row * q_stride,
      q_stride, scale + row * scale_stride, scale_stride);
}

void rms_norm_i8_4096_f32_avx2_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  rms_norm_i8_4096_f32_avx2_part(rows, buffers[0], strides[0], buffers[1], buffers[2], strides[2],
      buffers[3], strides[3], scratch, phase, part, parts);
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
