/*
 * gemma_scope_norm_2304_bf16_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit gemma_scope_norm_2304_bf16 --target avx512
 *
 *   kernel gemma_scope_norm_2304_bf16(z: bf16[rows, 2304]) {
 *     rms_norm {
 *       mean_square = mean(z * z)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       y = z * inv_rms
 *     }
 *   } -> y: bf16
 *
 * Schedule row_streaming: 2 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_square over 2304
 *   pass 2: store y
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
#error "gemma_scope_norm_2304_bf16_avx512.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "gemma_scope_norm_2304_bf16_avx512.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "gemma_scope_norm_2304_bf16_avx512.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("gemma_scope_norm_2304_bf16_avx512.h")
#include "gemma_scope_norm_2304_bf16_avx512.h"
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

// Thirty-two 16-bit lanes: two hvecs side by side.
typedef uint16_t hpair __attribute__((vector_size(64)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(32), aligned(2), may_alias));

// An hpair in memory with the alignment of one element.
typedef uint16_t hpair_in_memory __attribute__((vector_size(64), aligned(2), may_alias));

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

// Sixteen consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Thirty-two consecutive 16-bit values.
static inline void store_u16_pair(uint16_t *p, hpair h) {
  *(hpair_in_memory *)p = h;
}

// Thirty-two 16-bit values past the caches; p is aligned to 64 bytes.
static inline void stream_u16_pair(uint16_t *p, hpair h) {
#if defined(__clang__)
  __builtin_nontemporal_store(h, (hpair *)p);
#else
  typedef long long quads __attribute__((vector_size(64)));
  __builtin_ia32_movntdq512((quads *)p, (quads)h);
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

// Float32 bits rounded to nearest at bit 16, ties to even; NaN is made quiet.
static inline uvec rounded_bf16_bits(vec v) {
  uvec bits = (uvec)v;
  uvec rounded = bits + 0x7fffu + (bits >> 16u & 1u);
#if defined(__clang__)
  return (uvec)vec_select(v != v, (vec)(bits | 0x400000u), (vec)rounded);
#else
  // 3 compares for being unordered; 4 stands for the current rounding, which nothing needs.
  uint16_t nan = (uint16_t)__builtin_ia32_cmpps512_mask(v, v, 3, (uint16_t)-1, 4);
  ivec quiet = (ivec){0} + 0x400000;
  return (uvec)__builtin_ia32_pord512_mask((ivec)bits, quiet, (ivec)rounded, nan);
#endif
}

// Two vectors of Float32 to bf16, to nearest, ties to even, by integer arithmetic.
static inline hpair narrow_bf16_pair_bits(vec low, vec high) {
  uvec a = rounded_bf16_bits(low);
  uvec b = rounded_bf16_bits(high);
  return __builtin_shufflevector((hpair)a, (hpair)b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25,
      27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63);
}

// Two vectors of Float32 to bf16, to nearest, ties to even.
static inline hpair narrow_bf16_pair(vec low, vec high) {
  return narrow_bf16_pair_bits(low, high);
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

// One vector of consecutive bf16 values, as Float32.
static inline vec load_bf16(const uint16_t *p) {
  return widen_bf16(load_u16(p));
}

// 64 lanes, each rounded to bf16.
static inline void store_bf16_group(uint16_t *p, const vec *v) {
  enum { lanes = sizeof(vec) / sizeof(float) };
  for (int k = 0; k < 64 / lanes; k += 2) {
    store_u16_pair(p + k * lanes, narrow_bf16_pair(v[k], v[k + 1]));
  }
}

// 64 lanes, each rounded to bf16, past the caches; p is aligned to the size of a vec.
static inline void stream_bf16_group(uint16_t *p, const vec *v) {
  enum { lanes = sizeof(vec) / sizeof(float) };
  for (int k = 0; k < 64 / lanes; k += 2) {
    stream_u16_pair(p + k * lanes, narrow_bf16_pair(v[k], v[k + 1]));
  }
}

// Stores 64 lanes as bf16, past the caches if `stream` is set.
static inline void put_bf16_group(uint16_t *p, const vec *v, int stream) {
  if (stream) stream_bf16_group(p, v);
  else store_bf16_group(p, v);
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

/*
 * gemma_scope_norm_2304_bf16_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   z  bf16 [rows, 2304]; z_stride elements from row to row
 *   y  bf16 [rows, 2304], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void gemma_scope_norm_2304_bf16_avx512(int64_t rows, const uint16_t *restrict z, int64_t z_stride,
    uint16_t *restrict y, int64_t y_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 911 && ((uintptr_t)y | (uintptr_t)(y_stride * 2)) % 64 == 0;
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t *z_row = z + row * z_stride;
    uint16_t *y_row = y + row * y_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(z * z), over all 2304.
    vec mean_square_partials[4] = {{0}};
    for (int64_t i = 0; i < 2304; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec z_i = load_bf16(z_row + i + p * 16);
        mean_square_partials[p] = multiply_add(z_i, z_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 2304.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output y.
    for (int64_t i = 0; i < 2304; i += 64) {
      prefetch_u16_group(z + next * z_stride + i);
      vec y_group[4];
      for (int64_t p = 0; p < 4; ++p) y_group[p] = load_bf16(z_row + i + p * 16) * inv_rms;
      put_bf16_group(y_row + i, y_group, stream);
    }
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t gemma_scope_norm_2304_bf16_avx512_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t gemma_scope_norm_2304_bf16_avx512_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void gemma_scope_norm_2304_bf16_avx512_part(int64_t rows, const uint16_t *z, int64_t z_stride,
    uint16_t *y, int64_t y_stride, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  gemma_scope_norm_2304_bf16_avx512(count, z + row * z_stride, z_stride, y + row * y_stride,
      y_stride);
}

void gemma_scope_norm_2304_bf16_avx512_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  gemma_scope_norm_2304_bf16_avx512_part(rows, buffers[0], strides[0], buffers[1], strides[1],
      scratch, phase, part, parts);
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
