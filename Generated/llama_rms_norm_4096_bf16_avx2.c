/*
 * llama_rms_norm_4096_bf16_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit llama_rms_norm_4096_bf16 --target avx2
 *
 *   kernel llama_rms_norm_4096_bf16(x: bf16[rows, 4096], gain: bf16[4096]) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-05)
 *       y = bf16(bf16(x * inv_rms) * gain)
 *     }
 *   } -> y: bf16
 *
 * Schedule row_streaming: 2 passes over a row: each pass reads the row from memory or cache.
 *   the last pass handles 4 rows together
 *   pass 1: mean_square over 4096
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
#error "llama_rms_norm_4096_bf16_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "llama_rms_norm_4096_bf16_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "llama_rms_norm_4096_bf16_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("llama_rms_norm_4096_bf16_avx2.h")
#include "llama_rms_norm_4096_bf16_avx2.h"
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

// Eight 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(16)));

// Sixteen 16-bit lanes: two hvecs side by side.
typedef uint16_t hpair __attribute__((vector_size(32)));

// An hvec in memory with the alignment of one element.
typedef uint16_t hvec_in_memory __attribute__((vector_size(16), aligned(2), may_alias));

// An hpair in memory with the alignment of one element.
typedef uint16_t hpair_in_memory __attribute__((vector_size(32), aligned(2), may_alias));

// Lanes of a where the mask is set, of b elsewhere.
static inline vec vec_select(ivec mask, vec a, vec b) {
  return __builtin_ia32_blendvps256(b, a, (vec)mask);
}

// Eight consecutive 16-bit values.
static inline hvec load_u16(const uint16_t *p) {
  return *(const hvec_in_memory *)p;
}

// Sixteen consecutive 16-bit values.
static inline void store_u16_pair(uint16_t *p, hpair h) {
  *(hpair_in_memory *)p = h;
}

// Sixteen 16-bit values past the caches; p is aligned to 32 bytes.
static inline void stream_u16_pair(uint16_t *p, hpair h) {
#if defined(__clang__)
  __builtin_nontemporal_store(h, (hpair *)p);
#else
  typedef long long quads __attribute__((vector_size(32)));
  __builtin_ia32_movntdq256((quads *)p, (quads)h);
#endif
}

// Makes streamed stores visible to other threads before any later store.
static inline void finish_streams(void) {
  __builtin_ia32_sfence();
}

// bf16 to Float32: the upper half of its bits.
static inline vec widen_bf16(hvec h) {
#if __has_builtin(__builtin_ia32_pmovzxwd256)
  typedef short shorts __attribute__((vector_size(16)));
  return (vec)((uvec)__builtin_ia32_pmovzxwd256((shorts)h) << 16u);
#else
  return (vec)(__builtin_convertvector(h, uvec) << 16u);
#endif
}

// Float32 bits rounded to nearest at bit 16, ties to even; NaN is made quiet.
static inline uvec rounded_bf16_bits(vec v) {
  uvec bits = (uvec)v;
  uvec rounded = bits + 0x7fffu + (bits >> 16u & 1u);
  return (uvec)vec_select(v != v, (vec)(bits | 0x400000u), (vec)rounded);
}

// Two vectors of Float32 to bf16, to nearest, ties to even.
static inline hpair narrow_bf16_pair(vec low, vec high) {
  uvec a = rounded_bf16_bits(low);
  uvec b = rounded_bf16_bits(high);
  return __builtin_shufflevector((hpair)a, (hpair)b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23,
      25, 27, 29, 31);
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

// v rounded to bf16, as Float32.
static inline vec round_bf16(vec v) {
  return (vec)(rounded_bf16_bits(v) & 0xffff0000u);
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

// The rows from `first` on, as many as a tile has.
static inline __attribute__((always_inline)) void llama_rms_norm_4096_bf16_avx2_tile(int64_t rows,
    const uint16_t *restrict x, int64_t x_stride, const uint16_t *restrict gain,
    uint16_t *restrict y, int64_t y_stride, int64_t first, int stream, const int64_t tile) {
  float inv_rms[4];
  for (int64_t row = first; row < first + tile; ++row) {
    const uint16_t *x_row = x + row * x_stride;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec x_i = load_bf16(x_row + i + p * 8);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    inv_rms[row - first] = 1.0f / square_root_scalar(mean_square + 1e-05f);
  }
  // Pass 2: output y.
  for (int64_t i = 0; i < 4096; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_u16_group(x + next * x_stride + i);
    }
    vec y_group[4][8];
    for (int64_t p = 0; p < 8; ++p) {
      const vec gain_i = load_bf16(gain + i + p * 8);
      for (int64_t row = first; row < first + tile; ++row) {
        y_group[row - first][p] = round_bf16(load_bf16(x + row * x_stride + i + p * 8)
            * inv_rms[row - first]) * gain_i;
      }
    }
    for (int64_t row = first; row < first + tile; ++row) {
      put_bf16_group(y + row * y_stride + i, y_group[row - first], stream);
    }
  }
}

/*
 * llama_rms_norm_4096_bf16_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x     bf16 [rows, 4096]; x_stride elements from row to row
 *   gain  bf16 [4096]
 *   y     bf16 [rows, 4096], written; y_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void llama_rms_norm_4096_bf16_avx2(int64_t rows, const uint16_t *restrict x, int64_t x_stride,
    const uint16_t *restrict gain, uint16_t *restrict y, int64_t y_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 512 && ((uintptr_t)y | (uintptr_t)(y_stride * 2)) % 32 == 0;
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    llama_rms_norm_4096_bf16_avx2_tile(rows, x, x_stride, gain, y, y_stride, row, stream, 4);
  }
  for (; row < rows; ++row) {
    llama_rms_norm_4096_bf16_avx2_tile(rows, x, x_stride, gain, y, y_stride, row, stream, 1);
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t llama_rms_norm_4096_bf16_avx2_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t llama_rms_norm_4096_bf16_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void llama_rms_norm_4096_bf16_avx2_part(int64_t rows, const uint16_t *x, int64_t x_stride,
    const uint16_t *gain, uint16_t *y, int64_t y_stride, void *scratch, int64_t phase,
    int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t tiles = (rows + 3) / 4;
  const int64_t row = begin_of_part(tiles, part, parts) * 4;
  const int64_t end = begin_of_part(tiles, part + 1, parts) * 4;
  const int64_t count = (end < rows ? end : rows) - row;
  llama_rms_norm_4096_bf16_avx2(count, x + row * x_stride, x_stride, gain, y + row * y_stride,
      y_stride);
}

void llama_rms_norm_4096_bf16_avx2_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  llama_rms_norm_4096_bf16_avx2_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
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
