/*
 * linear_rms_norm_4096_4096_f32_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit linear_rms_norm_4096_4096_f32 --target avx512
 *
 *   kernel linear_rms_norm_4096_4096_f32(x: f32[rows, 4096], gain: f32[4096], w: f32[4096, 4096]) {
 *     %1 = matmul(x, w)
 *     rms_norm {
 *       mean_square = mean(%1 * %1)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       y = %1 * inv_rms * gain
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 steps over a chunk of at most 112 rows.
 *   step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store x_rows
 *   step 2: w_sums = x_rows × packed w (4096 × 4096 f32)
 *   step 3: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
 *      over 4096; pass 2: store y
 *   panel x_rows: 4096 f32 a row, 16448 bytes
 *   panel w_sums: 4096 f32 a row, 16448 bytes
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
#error "linear_rms_norm_4096_4096_f32_avx512.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "linear_rms_norm_4096_4096_f32_avx512.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "linear_rms_norm_4096_4096_f32_avx512.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("linear_rms_norm_4096_4096_f32_avx512.h")
#include "linear_rms_norm_4096_4096_f32_avx512.h"
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
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

// Sixteen Float32 lanes of an AVX-512 register.
typedef float vec __attribute__((vector_size(64)));

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(64), aligned(4), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s};
}

// Sixteen consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// The first n floats (0 < n < 16), then zeros; nothing behind them is read.
static inline vec load_f32_first(const float *p, int n) {
  return __builtin_ia32_loadups512_mask(p, (vec){0}, (uint16_t)((1u << n) - 1));
}

// Sixteen consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
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

// Unrolls the loop behind it, whose entries stay in registers only then, however long its body is;
// gcc peels such loops by itself.
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED
#endif

// Asks for 64 floats to come closer. They need not be readable, nor belong to an array, so that
// their addresses are taken as numbers.
static inline void prefetch_f32_group(const float *p) {
  for (uintptr_t byte = 0; byte < 256; byte += 64) {
    __builtin_prefetch((const void *)((uintptr_t)p + byte), 0, 2);
  }
}

// Asks for the cache line `byte` bytes behind p to come closer; it need not be readable.
static inline void prefetch_line(const void *p, int64_t byte) {
  __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)byte));
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// Step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store x_rows.
static void step1(int64_t rows, const float *restrict x, int64_t x_stride, float *restrict x_rows,
    int64_t x_rows_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *x_rows_row = x_rows + row * x_rows_stride;
    // Pass 1: output x_rows.
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        store_f32(x_rows_row + i + p * 16, load_f32(x_row + i + p * 16));
      }
    }
  }
}

// `depth` steps of a sliver of 32 columns of weights, from its first one on, as the product reads
// them: step by step; zeros beyond the `count` columns that are left.
static void gather_4096x4096(const float *weights, int64_t count, int64_t depth, float *block) {
  for (int64_t i = 0; i < depth; ++i) {
    const float *row = weights + 4096 * i;
    for (int64_t v = 0; v < 2; ++v) {
      const int64_t left = count - 16 * v;
      float *place = block + 32 * i + 16 * v;
      if (left >= 16) {
        store_f32(place, load_f32(row + 16 * v));
      } else if (left > 0) {
        store_f32(place, load_f32_first(row + 16 * v, (int)left));
      } else {
        store_f32(place, (vec){0});
      }
    }
  }
}

// The f32 elements of packed w.
int64_t linear_rms_norm_4096_4096_f32_avx512_packed_elements_w(void) {
  return 16777216;
}

// Packs w: reads f32 [4096, 4096] and writes 16777216 elements.
void linear_rms_norm_4096_4096_f32_avx512_pack_w(const float *weights, float *packed) {
  for (int64_t sliver = 0; sliver < 128; ++sliver) {
    for (int64_t k = 0; k < 4096; k += 512) {
      const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
      gather_4096x4096(weights + 4096 * k + 32 * sliver, 4096 - 32 * sliver, depth,
          packed + 131072 * sliver + 32 * k);
    }
  }
}

// The sums of `height` rows and the 32 columns of a sliver over `depth` steps, for each one chain
// of fused multiply-adds from +0. What an earlier block has summed is added to.
static inline __attribute__((always_inline)) void tile_4096x4096(int64_t depth, const float *x,
    const float *sliver, float *sums, int is_first, const int64_t height) {
  vec chain[14][2];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float *step = sliver + 32 * k;
    vec weights[2];
    for (int64_t v = 0; v < 2; ++v) weights[v] = load_f32(step + 16 * v);
    for (int64_t v = 0; v < 2; ++v) prefetch_line(step, 8192 + 64 * v);
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      const vec element = broadcast(x[4112 * r + k]);
      for (int64_t v = 0; v < 2; ++v) chain[r][v] = multiply_add(element, weights[v], chain[r][v]);
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 4112 * r + 16 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// Rows of 4096 elements times a matrix of 4096 columns: the slivers of 32 columns from `first` up
// to `end`.
static void multiply_4096x4096(int64_t rows, const float *x, const float *weights, float *sums,
    int64_t first, int64_t end) {
  for (int64_t sliver = first; sliver < end; ++sliver) {
    for (int64_t k = 0; k < 4096; k += 512) {
      const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
      const float *block = weights + 131072 * sliver + 32 * k;
      const float *x_block = x + k;
      float *sliver_sums = sums + 32 * sliver;
      int64_t row = 0;
      for (; row + 14 <= rows; row += 14) {
        tile_4096x4096(depth, x_block + 4112 * row, block, sliver_sums + 4112 * row, k == 0, 14);
      }
      for (; row + 8 <= rows; row += 8) {
        tile_4096x4096(depth, x_block + 4112 * row, block, sliver_sums + 4112 * row, k == 0, 8);
      }
      for (; row + 4 <= rows; row += 4) {
        tile_4096x4096(depth, x_block + 4112 * row, block, sliver_sums + 4112 * row, k == 0, 4);
      }
      for (; row + 2 <= rows; row += 2) {
        tile_4096x4096(depth, x_block + 4112 * row, block, sliver_sums + 4112 * row, k == 0, 2);
      }
      for (; row < rows; ++row) {
        tile_4096x4096(depth, x_block + 4112 * row, block, sliver_sums + 4112 * row, k == 0, 1);
      }
    }
  }
}

// Step 3: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
// over 4096; pass 2: store y.
static void step3(int64_t rows, const float *restrict gain, const float *restrict w_sums,
    int64_t w_sums_stride, float *restrict y, int64_t y_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *w_sums_row = w_sums + row * w_sums_stride;
    float *y_row = y + row * y_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(w_sums * w_sums), over all 4096.
    vec mean_square_partials[4] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec w_sums_i = load_f32(w_sums_row + i + p * 16);
        mean_square_partials[p] = multiply_add(w_sums_i, w_sums_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output y.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(w_sums + next * w_sums_stride + i);
      for (int64_t p = 0; p < 4; ++p) {
        store_f32(y_row + i + p * 16, load_f32(w_sums_row + i + p * 16) * inv_rms
            * load_f32(gain + i + p * 16));
      }
    }
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t linear_rms_norm_4096_4096_f32_avx512_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 112 ? 3 : 1;
}

// The bytes of scratch memory of such a call.
int64_t linear_rms_norm_4096_4096_f32_avx512_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 112 ? rows : 112);
  const int64_t copies = linear_rms_norm_4096_4096_f32_avx512_phases(rows, parts) > 1 ? 1 : parts;
  return copies * chunk * 32896 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const float *x, int64_t x_stride, const float *gain,
    const float *w, float *y, int64_t y_stride, char *panels, int64_t first_step, int64_t end_step,
    int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  float *x_rows = (float *)panels;
  float *w_sums = (float *)(panels + rows * 16448);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, x + row * x_stride, x_stride, x_rows + row * 4112, 4112);
      break;
    case 1:
      multiply_4096x4096(rows, x_rows, w, w_sums, begin_of_part(128, part, parts),
          begin_of_part(128, part + 1, parts));
      break;
    case 2:
      step3(count, gain, w_sums + row * 4112, 4112, y + row * y_stride, y_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void linear_rms_norm_4096_4096_f32_avx512_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const float *w, float *y, int64_t y_stride, void *scratch, int64_t phase,
    int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  if (linear_rms_norm_4096_4096_f32_avx512_phases(rows, parts) > 1) {
    run_steps(rows, x, x_stride, gain, w, y, y_stride, panels, phase, phase + 1, part, parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 14.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 112 ? rows : 112) * 32896;
  const int64_t chunks = (end - first + 111) / 112;
  const int64_t size = ((end - first + chunks - 1) / chunks + 13) / 14 * 14;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, x + row * x_stride, x_stride, gain, w, y + row * y_stride, y_stride,
        own_panels, 0, 3, 0, 1);
  }
}

/*
 * linear_rms_norm_4096_4096_f32_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x     f32 [rows, 4096]; x_stride elements from row to row
 *   gain  f32 [4096]
 *   w     f32 [4096, 4096]; as linear_rms_norm_4096_4096_f32_avx512_pack_w leaves them
 *   y     f32 [rows, 4096], written; y_stride elements from row to row
 *
 * scratch: linear_rms_norm_4096_4096_f32_avx512_scratch_bytes(rows, 1) bytes of any alignment that
 * nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void linear_rms_norm_4096_4096_f32_avx512(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const float *w, float *y, int64_t y_stride, void *scratch) {
  linear_rms_norm_4096_4096_f32_avx512_part(rows, x, x_stride, gain, w, y, y_stride, scratch, 0, 0,
      1);
}

void linear_rms_norm_4096_4096_f32_avx512_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  linear_rms_norm_4096_4096_f32_avx512_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
      buffers[3], strides[3], scratch, phase, part, parts);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

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
