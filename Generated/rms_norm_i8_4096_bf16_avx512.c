/*
 * rms_norm_i8_4096_bf16_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_i8_4096_bf16 --target avx512
 *
 *   kernel rms_norm_i8_4096_bf16(x: bf16[rows, 4096], gain: bf16[4096]) {
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
 *   the last pass handles 4 rows together
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
#error "rms_norm_i8_4096_bf16_avx512.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "rms_norm_i8_4096_bf16_avx512.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "rms_norm_i8_4096_bf16_avx512.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("rms_norm_i8_4096_bf16_avx512.h")
#include "rms_norm_i8_4096_bf16_avx512.h"
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

// Sixteen 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(32)));

// Sixty-four 8-bit lanes: four bvecs side by side.
typedef int8_t bquad __attribute__((vector_size(64)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(32), aligned(2), may_alias));

// A bquad in memory with the alignment of one element.
typedef int8_t bquad_in_memory __attribute__((vector_size(64), aligned(1), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s};
}

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Sixteen consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Sixty-four consecutive 8-bit values.
static inline void store_s8_quad(int8_t *p, bquad b) {
  *(bquad_in_memory *)p = b;
}

// Sixty-four 8-bit values past the caches; p is aligned to 64 bytes.
static inline void stream_s8_quad(int8_t *p, bquad b) {
#if defined(__clang__)
  __builtin_nontemporal_store(b, (bquad *)p);
#else
  typedef long long quads __attribute__((vector_size(64)));
  __builtin_ia32_movntdq512((quads *)p, (quads)b);
#endif
}

// Makes streamed stores visible to other threads before any later store.
static inline void finish_streams(void) {
  __builtin_ia32_sfence();
}

// bf16 to Float32: each value becomes the upper half of a lane, in one permutation with zeros.
static inline vec widen_bf16(hvec h) {
#if !__has_builtin(__builtin_shufflevector)
  typedef short shorts __attribute__((vector_size(32)));
  return (vec)((uvec)__builtin_ia32_pmovzxwd512_mask((shorts)h, (ivec){0}, (uint16_t)-1) << 16u);
#else
  return (vec)__builtin_shufflevector(h, (hvec){0}, 16, 0, 16, 1, 16, 2, 16, 3, 16, 4, 16, 5, 16,
      6, 16, 7, 16, 8, 16, 9, 16, 10, 16, 11, 16, 12, 16, 13, 16, 14, 16, 15);
#endif
}

// The nearest whole numbers up to 127, ties to even; 0 for NaN. What no Int32 holds is below.
// (7 compares for being ordered; 4 stands for the current rounding.)
static inline ivec nearest_up_to_127(vec v) {
  uint16_t ordered = (uint16_t)__builtin_ia32_cmpps512_mask(v, v, 7, (uint16_t)-1, 4);
#if defined(__clang__)
  vec clamped = __builtin_ia32_minps512(v, broadcast(127.0f), 4);
#else
  vec clamped = __builtin_ia32_minps512_mask(v, broadcast(127.0f), v, (uint16_t)-1, 4);
#endif
  return (ivec)__builtin_ia32_cvtps2dq512_mask(clamped, (ivec){0}, ordered, 4);
}

// Four vectors of Float32 to i8: packing saturates below, within each quarter of a register.
static inline bquad narrow_i8_quad(const vec *v) {
  typedef short shorts __attribute__((vector_size(64)));
#if defined(__clang__)
  shorts low = __builtin_ia32_packssdw512(nearest_up_to_127(v[0]), nearest_up_to_127(v[1]));
  shorts high = __builtin_ia32_packssdw512(nearest_up_to_127(v[2]), nearest_up_to_127(v[3]));
  ivec packed = (ivec)__builtin_ia32_packsswb512(low, high);
#else
  typedef char chars __attribute__((vector_size(64)));
  shorts low = __builtin_ia32_packssdw512_mask(
      nearest_up_to_127(v[0]), nearest_up_to_127(v[1]), (shorts){0}, (uint32_t)-1);
  shorts high = __builtin_ia32_packssdw512_mask(
      nearest_up_to_127(v[2]), nearest_up_to_127(v[3]), (shorts){0}, (uint32_t)-1);
  ivec packed =
      (ivec)__builtin_ia32_packsswb512_mask(low, high, (chars){0}, (uint64_t)-1);
#endif
  return (bquad)__builtin_shufflevector(
      packed, packed, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
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

// One vector of consecutive bf16 values, as Float32.
static inline vec load_bf16(const uint16_t *p) {
  return widen_bf16(load_u16(p));
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

// Asks for 64 values of 16 bits to come closer; they need not be readable.
static inline void prefetch_u16_group(const uint16_t *p) {
  __builtin_prefetch(p, 0, 2);
  __builtin_prefetch((const void *)((uintptr_t)p + 64), 0, 2);
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// The rows from `first` on, as many as a tile has.
static inline __attribute__((always_inline)) void rms_norm_i8_4096_bf16_avx512_tile(int64_t rows,
    const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain,
    int8_t *restrict q, int64_t q_stride, float *restrict scale, int64_t scale_stride,
    int64_t first, int stream, const int64_t tile) {
  float inv_rms[4];
  float scale2[4];
  for (int64_t row = first; row < first + tile; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    float *scale_row = scale + row * scale_stride;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[4] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec x_i = load_bf16(x_row + i + p * 16);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    inv_rms[row - first] = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: abs_max = row_max(abs(%1)), over all 4096.
    vec abs_max_partials[4];
    for (int64_t p = 0; p < 4; ++p) abs_max_partials[p] = broadcast(-__builtin_inff());
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        abs_max_partials[p] = maximum_magnitude(abs_max_partials[p],
            load_bf16(x_row + i + p * 16) * inv_rms[row - first] * load_bf16(gain + i + p * 16));
      }
    }
    const float abs_max = max_partials(abs_max_partials);
    scale2[row - first] = abs_max / 127.0f;
    scale_row[0] = scale2[row - first];
  }
  // Pass 3: output q.
  for (int64_t i = 0; i < 4096; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_u16_group(x + next * x_stride + i);
    }
    vec q_group[4][4];
    for (int64_t p = 0; p < 4; ++p) {
      const vec gain_i = load_bf16(gain + i + p * 16);
      for (int64_t row = first; row < first + tile; ++row) {
        q_group[row - first][p] = load_bf16(x + row * x_stride + i + p * 16) * inv_rms[row
            - first] * gain_i / scale2[row - first];
      }
    }
    for (int64_t row = first; row < first + tile; ++row) {
      put_i8_group(q + row * q_stride + i, q_group[row - first], stream);
    }
  }
}

/*
 * rms_norm_i8_4096_bf16_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x      bf16 [rows, 4096]; x_stride elements from row to row
 *   gain   bf16 [4096]
 *   q      i8 [rows, 4096], written; q_stride elements from row to row
 *   scale  f32 [rows, 1], written; scale_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_i8_4096_bf16_avx512(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, int8_t *restrict q, int64_t q_stride, float *restrict scale,
    int64_t scale_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 1024 && ((uintptr_t)q | (uintptr_t)(q_stride * 1)) % 64 == 0;
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    rms_norm_i8_4096_bf16_avx512_tile(rows, x, x_stride, gain, q, q_stride, scale, scale_stride,
        row, stream, 4);
  }
  for (; row < rows; ++row) {
    rms_norm_i8_4096_bf16_avx512_tile(rows, x, x_stride, gain, q, q_stride, scale, scale_stride,
        row, stream, 1);
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t rms_norm_i8_4096_bf16_avx512_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t rms_norm_i8_4096_bf16_avx512_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void rms_norm_i8_4096_bf16_avx512_part(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, int8_t *q, int64_t q_stride, float *scale, int64_t scale_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t tiles = (rows + 3) / 4;
  const int64_t row = begin_of_part(tiles, part, parts) * 4;
  const int64_t end = begin_of_part(tiles, part + 1, parts) * 4;
  const int64_t count = (end < rows ? end : rows) - row;
  rms_norm_i8_4096_bf16_avx512(count, x + row * x_stride, x_stride, gain, q + row * q_stride,
      q_stride, scale + row * scale_stride, scale_stride);
}

void rms_norm_i8_4096_bf16_avx512_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  rms_norm_i8_4096_bf16_avx512_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
      strides[2], buffers[3], strides[3], scratch, phase, part, parts);
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
