/*
 * add_rms_norm_4096_f32_avx2: a kernel for avx2, emitted by NormGen. Regenerate with
 *
 *   normgen emit add_rms_norm_4096_f32 --target avx2
 *
 *   kernel add_rms_norm_4096_f32(x: f32[rows, 4096], residual: f32[rows, 4096], gain: f32[4096]) {
 *     hidden = x + residual
 *     rms_norm {
 *       mean_square = mean(hidden * hidden)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       normed = hidden * inv_rms * gain
 *     }
 *   } -> hidden: f32, normed: f32
 *
 * Schedule row_streaming: 2 passes over a row: each pass reads the row from memory or cache.
 *   pass 1: mean_square over 4096; store hidden
 *   pass 2: store normed
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
#error "add_rms_norm_4096_f32_avx2.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "add_rms_norm_4096_f32_avx2.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "add_rms_norm_4096_f32_avx2.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("add_rms_norm_4096_f32_avx2.h")
#include "add_rms_norm_4096_f32_avx2.h"
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

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(32), aligned(4), may_alias));

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
 * add_rms_norm_4096_f32_avx2 of `rows` rows; with none, nothing is read or written.
 *
 *   x         f32 [rows, 4096]; x_stride elements from row to row
 *   residual  f32 [rows, 4096]; residual_stride elements from row to row
 *   gain      f32 [4096]
 *   hidden    f32 [rows, 4096], written; hidden_stride elements from row to row
 *   normed    f32 [rows, 4096], written; normed_stride elements from row to row
 *
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void add_rms_norm_4096_f32_avx2(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict residual, int64_t residual_stride, const float *restrict gain,
    float *restrict hidden, int64_t hidden_stride, float *restrict normed, int64_t normed_stride) {
  // Outputs of 4 MiB and more bypass the caches where their rows are aligned.
  const int stream = rows >= 128 && ((uintptr_t)hidden | (uintptr_t)(hidden_stride
      * 4)) % 32 == 0 && ((uintptr_t)normed | (uintptr_t)(normed_stride * 4)) % 32 == 0;
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    const float *residual_row = residual + row * residual_stride;
    float *hidden_row = hidden + row * hidden_stride;
    float *normed_row = normed + row * normed_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(hidden * hidden), over all 4096; output hidden.
    vec mean_square_partials[8] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 8; ++p) {
        const vec hidden_i = load_f32(x_row + i + p * 8) + load_f32(residual_row + i + p * 8);
        mean_square_partials[p] = multiply_add(hidden_i, hidden_i, mean_square_partials[p]);
        put_f32(hidden_row + i + p * 8, hidden_i, stream);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output normed.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      prefetch_f32_group(residual + next * residual_stride + i);
      for (int64_t p = 0; p < 8; ++p) {
        put_f32(normed_row + i + p * 8, (load_f32(x_row + i + p * 8)
            + load_f32(residual_row + i + p * 8)) * inv_rms * load_f32(gain + i + p * 8), stream);
      }
    }
  }
  if (stream) finish_streams();
}

// The phases of a call that `parts` threads share: each takes rows of its own.
int64_t add_rms_norm_4096_f32_avx2_phases(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 1;
}

// The bytes of scratch memory of such a call.
int64_t add_rms_norm_4096_f32_avx2_scratch_bytes(int64_t rows, int64_t parts) {
  (void)rows;
  (void)parts;
  return 0;
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void add_rms_norm_4096_f32_avx2_part(int64_t rows, const float *x, int64_t x_stride,
    const float *residual, int64_t residual_stride, const float *gain, float *hidden,
    int64_t hidden_stride, float *normed, int64_t normed_stride, void *scratch, int64_t phase,
    int64_t part, int64_t parts) {
  (void)scratch;
  (void)phase;
  if (rows < 1) return;
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  add_rms_norm_4096_f32_avx2(count, x + row * x_stride, x_stride, residual + row * residual_stride,
      residual_stride, gain, hidden + row * hidden_stride, hidden_stride,
      normed + row * normed_stride, normed_stride);
}

void add_rms_norm_4096_f32_avx2_entry(int64_t rows, void *const *buffers, const int64_t *strides,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  add_rms_norm_4096_f32_avx2_part(rows, buffers[0], strides[0], buffers[1], strides[1], buffers[2],
      buffers[3], strides[3], buffers[4], strides[4], scratch, phase, part, parts);
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
