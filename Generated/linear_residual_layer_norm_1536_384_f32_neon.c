/*
 * linear_residual_layer_norm_1536_384_f32_neon: a kernel for neon, emitted by NormGen. Regenerate
 * with
 *
 *   normgen emit linear_residual_layer_norm_1536_384_f32 --target neon
 *
 *   kernel linear_residual_layer_norm_1536_384_f32(
 *     hidden: f32[rows, 1536],
 *     residual: f32[rows, 384],
 *     w_down: f32[1536, 384],
 *     b_down: f32[384],
 *     gain: f32[384],
 *     shift: f32[384]
 *   ) {
 *     %1 = matmul(hidden, w_down) + b_down + residual
 *     layer_norm {
 *       mean_x = mean(%1)
 *       shifted = %1 - mean_x
 *       mean_square = mean(shifted * shifted)
 *       mean_shifted = mean(shifted)
 *       variance = max(fma(-mean_shifted, mean_shifted, mean_square), 0.0)
 *       centred = shifted - mean_shifted
 *       inv_deviation = 1.0 / sqrt(variance + 1e-12)
 *       y = fma(centred * inv_deviation, gain, shift)
 *     }
 *   } -> y: f32
 *
 * Schedule row_streaming: 3 steps over a chunk of at most 112 rows.
 *   step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store
 *      hidden_rows
 *   step 2: w_down_sums = hidden_rows × packed w_down (1536 × 384 f32)
 *   step 3: 3 passes over a row: each pass reads the row from memory or cache; the last pass
 *      handles 2 rows together; pass 1: mean_x over 384; pass 2: mean_square over 384; mean_shifted
 *      over 384; pass 3: store y
 *   panel hidden_rows: 1536 f32 a row, 6208 bytes
 *   panel w_down_sums: 384 f32 a row, 1600 bytes
 *
 * The bits are the same on every target, for any number of rows and any stride. Contraction and
 * reassociation would change them. Flags that allow them are refused where the compiler announces
 * them, and switched off here where it does not. Clang neither announces nor lets a file switch off
 * -ffp-contract=fast, -ffp-model=fast, -funsafe-math-optimizations and -fno-honor-nans: leave them
 * out.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__aarch64__)
#if defined(__clang__) ? __clang_major__ < 11 : __GNUC__ < 10
#error "linear_residual_layer_norm_1536_384_f32_neon.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "linear_residual_layer_norm_1536_384_f32_neon.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "linear_residual_layer_norm_1536_384_f32_neon.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("linear_residual_layer_norm_1536_384_f32_neon.h")
#include "linear_residual_layer_norm_1536_384_f32_neon.h"
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

// Four Float32 lanes of a NEON register.
typedef float vec __attribute__((vector_size(16)));

// A vec in memory with the alignment of one element.
typedef float vec_in_memory __attribute__((vector_size(16), aligned(4), may_alias));

// The same value in every lane.
static inline vec broadcast(float s) {
  return (vec){s, s, s, s};
}

// Four consecutive floats.
static inline vec load_f32(const float *p) {
  return *(const vec_in_memory *)p;
}

// The first n floats (0 < n < 4), then zeros; nothing behind them is read.
static inline vec load_f32_first(const float *p, int n) {
  return (vec){p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0};
}

// Four consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// a · b + c with one rounding.
static inline float multiply_add_scalar(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
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

// The greater of a and b; b where they compare equal, NaN where either is NaN.
static inline float maximum_scalar(float a, float b) {
  return a > b || a != a ? a : b;
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

// Step 1: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store
// hidden_rows.
static void step1(int64_t rows, const float *restrict hidden, int64_t hidden_stride,
    float *restrict hidden_rows, int64_t hidden_rows_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *hidden_row = hidden + row * hidden_stride;
    float *hidden_rows_row = hidden_rows + row * hidden_rows_stride;
    // Pass 1: output hidden_rows.
    for (int64_t i = 0; i < 1536; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        store_f32(hidden_rows_row + i + p * 4, load_f32(hidden_row + i + p * 4));
      }
    }
  }
}

// `depth` steps of a sliver of 8 columns of weights, from its first one on, as the product reads
// them: step by step; zeros beyond the `count` columns that are left.
static void gather_1536x384(const float *weights, int64_t count, int64_t depth, float *block) {
  for (int64_t i = 0; i < depth; ++i) {
    const float *row = weights + 384 * i;
    for (int64_t v = 0; v < 2; ++v) {
      const int64_t left = count - 4 * v;
      float *place = block + 8 * i + 4 * v;
      if (left >= 4) {
        store_f32(place, load_f32(row + 4 * v));
      } else if (left > 0) {
        store_f32(place, load_f32_first(row + 4 * v, (int)left));
      } else {
        store_f32(place, (vec){0});
      }
    }
  }
}

// The f32 elements of packed w_down.
int64_t linear_residual_layer_norm_1536_384_f32_neon_packed_elements_w_down(void) {
  return 589824;
}

// Packs w_down: reads f32 [1536, 384] and writes 589824 elements.
void linear_residual_layer_norm_1536_384_f32_neon_pack_w_down(const float *weights, float *packed) {
  for (int64_t sliver = 0; sliver < 48; ++sliver) {
    for (int64_t k = 0; k < 1536; k += 512) {
      const int64_t depth = 1536 - k < 512 ? 1536 - k : 512;
      gather_1536x384(weights + 384 * k + 8 * sliver, 384 - 8 * sliver, depth,
          packed + 12288 * sliver + 8 * k);
    }
  }
}

// The sums of `height` rows and the 8 columns of a sliver over `depth` steps, for each one chain of
// fused multiply-adds from +0. What an earlier block has summed is added to.
static inline __attribute__((always_inline)) void tile_1536x384(int64_t depth, const float *x,
    const float *sliver, float *sums, int is_first, const int64_t height) {
  vec chain[14][2];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float *step = sliver + 8 * k;
    vec weights[2];
    for (int64_t v = 0; v < 2; ++v) weights[v] = load_f32(step + 4 * v);
    prefetch_line(step, 2048);
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      const vec element = broadcast(x[1552 * r + k]);
      for (int64_t v = 0; v < 2; ++v) chain[r][v] = multiply_add(element, weights[v], chain[r][v]);
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 400 * r + 4 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// Rows of 1536 elements times a matrix of 384 columns: the slivers of 8 columns from `first` up to
// `end`.
static void multiply_1536x384(int64_t rows, const float *x, const float *weights, float *sums,
    int64_t first, int64_t end) {
  for (int64_t sliver = first; sliver < end; ++sliver) {
    for (int64_t k = 0; k < 1536; k += 512) {
      const int64_t depth = 1536 - k < 512 ? 1536 - k : 512;
      const float *block = weights + 12288 * sliver + 8 * k;
      const float *x_block = x + k;
      float *sliver_sums = sums + 8 * sliver;
      int64_t row = 0;
      for (; row + 14 <= rows; row += 14) {
        tile_1536x384(depth, x_block + 1552 * row, block, sliver_sums + 400 * row, k == 0, 14);
      }
      for (; row + 8 <= rows; row += 8) {
        tile_1536x384(depth, x_block + 1552 * row, block, sliver_sums + 400 * row, k == 0, 8);
      }
      for (; row + 4 <= rows; row += 4) {
        tile_1536x384(depth, x_block + 1552 * row, block, sliver_sums + 400 * row, k == 0, 4);
      }
      for (; row + 2 <= rows; row += 2) {
        tile_1536x384(depth, x_block + 1552 * row, block, sliver_sums + 400 * row, k == 0, 2);
      }
      for (; row < rows; ++row) {
        tile_1536x384(depth, x_block + 1552 * row, block, sliver_sums + 400 * row, k == 0, 1);
      }
    }
  }
}

// The rows from `first` on, as many as a tile has.
static inline __attribute__((always_inline)) void step3_tile(int64_t rows,
    const float *restrict residual, int64_t residual_stride, const float *restrict b_down,
    const float *restrict gain, const float *restrict shift, const float *restrict w_down_sums,
    int64_t w_down_sums_stride, float *restrict y, int64_t y_stride, int64_t first,
    const int64_t tile) {
  float mean_x[2];
  float mean_shifted[2];
  float inv_deviation[2];
  for (int64_t row = first; row < first + tile; ++row) {
    const float *residual_row = residual + row * residual_stride;
    const float *w_down_sums_row = w_down_sums + row * w_down_sums_stride;
    // Pass 1: mean_x = mean(%1), over all 384.
    vec mean_x_partials[16] = {{0}};
    for (int64_t i = 0; i < 384; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        mean_x_partials[p] = mean_x_partials[p]
            + (load_f32(w_down_sums_row + i + p * 4) + load_f32(b_down + i + p * 4)
            + load_f32(residual_row + i + p * 4));
      }
    }
    mean_x[row - first] = sum_partials(mean_x_partials) / 384.0f;
    // Pass 2: mean_square = mean(shifted * shifted), over all 384; mean_shifted = mean(shifted),
    // over all 384.
    vec mean_square_partials[16] = {{0}};
    vec mean_shifted_partials[16] = {{0}};
    for (int64_t i = 0; i < 384; i += 64) {
      for (int64_t p = 0; p < 16; ++p) {
        const vec shifted_i = load_f32(w_down_sums_row + i + p * 4)
            + load_f32(b_down + i + p * 4) + load_f32(residual_row + i + p * 4) - mean_x[row
            - first];
        mean_square_partials[p] = multiply_add(shifted_i, shifted_i, mean_square_partials[p]);
        mean_shifted_partials[p] = mean_shifted_partials[p] + shifted_i;
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 384.0f;
    mean_shifted[row - first] = sum_partials(mean_shifted_partials) / 384.0f;
    const float variance = maximum_scalar(multiply_add_scalar(-mean_shifted[row - first],
        mean_shifted[row - first], mean_square), 0.0f);
    inv_deviation[row - first] = 1.0f / square_root_scalar(variance + 1e-12f);
  }
  // Pass 3: output y.
  for (int64_t i = 0; i < 384; i += 64) {
    for (int64_t row = first; row < first + tile; ++row) {
      const int64_t next = row + tile < rows ? row + tile : row;
      prefetch_f32_group(residual + next * residual_stride + i);
      prefetch_f32_group(w_down_sums + next * w_down_sums_stride + i);
    }
    for (int64_t p = 0; p < 16; ++p) {
      const vec b_down_i = load_f32(b_down + i + p * 4);
      const vec gain_i = load_f32(gain + i + p * 4);
      const vec shift_i = load_f32(shift + i + p * 4);
      for (int64_t row = first; row < first + tile; ++row) {
        const vec shifted_i = load_f32(w_down_sums + row * w_down_sums_stride + i + p * 4)
            + b_down_i + load_f32(residual + row * residual_stride + i + p * 4) - mean_x[row
            - first];
        const vec centred_i = shifted_i - mean_shifted[row - first];
        store_f32(y + row * y_stride + i + p * 4,
            multiply_add(centred_i * inv_deviation[row - first], gain_i, shift_i));
      }
    }
  }
}

// Step 3: 3 passes over a row: each pass reads the row from memory or cache; the last pass handles
// 2 rows together; pass 1: mean_x over 384; pass 2: mean_square over 384; mean_shifted over 384;
// pass 3: store y.
static void step3(int64_t rows, const float *restrict residual, int64_t residual_stride,
    const float *restrict b_down, const float *restrict gain, const float *restrict shift,
    const float *restrict w_down_sums, int64_t w_down_sums_stride, float *restrict y,
    int64_t y_stride) {
  int64_t row = 0;
  for (; row + 2 <= rows; row += 2) {
    step3_tile(rows, residual, residual_stride, b_down, gain, shift, w_down_sums,
        w_down_sums_stride, y, y_stride, row, 2);
  }
  for (; row < rows; ++row) {
    step3_tile(rows, residual, residual_stride, b_down, gain, shift, w_down_sums,
        w_down_sums_stride, y, y_stride, row, 1);
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t linear_residual_layer_norm_1536_384_f32_neon_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 112 ? 3 : 1;
}

// The bytes of scratch memory of such a call.
int64_t linear_residual_layer_norm_1536_384_f32_neon_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 112 ? rows : 112);
  const int64_t copies = linear_residual_layer_norm_1536_384_f32_neon_phases(rows, parts) > 1 ? 1
      : parts;
  return copies * chunk * 7808 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const float *hidden, int64_t hidden_stride,
    const float *residual, int64_t residual_stride, const float *w_down, const float *b_down,
    const float *gain, const float *shift, float *y, int64_t y_stride, char *panels,
    int64_t first_step, int64_t end_step, int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  float *hidden_rows = (float *)panels;
  float *w_down_sums = (float *)(panels + rows * 6208);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, hidden + row * hidden_stride, hidden_stride, hidden_rows + row * 1552, 1552);
      break;
    case 1:
      multiply_1536x384(rows, hidden_rows, w_down, w_down_sums, begin_of_part(48, part, parts),
          begin_of_part(48, part + 1, parts));
      break;
    case 2:
      step3(count, residual + row * residual_stride, residual_stride, b_down, gain, shift,
          w_down_sums + row * 400, 400, y + row * y_stride, y_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void linear_residual_layer_norm_1536_384_f32_neon_part(int64_t rows, const float *hidden,
    int64_t hidden_stride, const float *residual, int64_t residual_stride, const float *w_down,
    const float *b_down, const float *gain, const float *shift, float *y, int64_t y_stride,
    void *scratch, int64_t phase, int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  if (linear_residual_layer_norm_1536_384_f32_neon_phases(rows, parts) > 1) {
    run_steps(rows, hidden, hidden_stride, residual, residual_stride, w_down, b_down, gain, shift,
        y, y_stride, panels, phase, phase + 1, part, parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 14.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 112 ? rows : 112) * 7808;
  const int64_t chunks = (end - first + 111) / 112;
  const int64_t size = ((end - first + chunks - 1) / chunks + 13) / 14 * 14;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, hidden + row * hidden_stride, hidden_stride, residual + row * residual_stride,
        residual_stride, w_down, b_down, gain, shift, y + row * y_stride, y_stride, own_panels, 0,
        3, 0, 1);
  }
}

/*
 * linear_residual_layer_norm_1536_384_f32_neon of `rows` rows; with none, nothing is read or
 * written.
 *
 *   hidden    f32 [rows, 1536]; hidden_stride elements from row to row
 *   residual  f32 [rows, 384]; residual_stride elements from row to row
 *   w_down    f32 [1536, 384];
 *             as linear_residual_layer_norm_1536_384_f32_neon_pack_w_down leaves them
 *   b_down    f32 [384]
 *   gain      f32 [384]
 *   shift     f32 [384]
 *   y         f32 [rows, 384], written; y_stride elements from row to row
 *
 * scratch: linear_residual_layer_norm_1536_384_f32_neon_scratch_bytes(rows, 1) bytes of any
 * alignment that nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void linear_residual_layer_norm_1536_384_f32_neon(int64_t rows, const float *hidden,
    int64_t hidden_stride, const float *residual, int64_t residual_stride, const float *w_down,
    const float *b_down, const float *gain, const float *shift, float *y, int64_t y_stride,
    void *scratch) {
  linear_residual_layer_norm_1536_384_f32_neon_part(rows, hidden, hidden_stride, residual,
      residual_stride, w_down, b_down, gain, shift, y, y_stride, scratch, 0, 0, 1);
}

void linear_residual_layer_norm_1536_384_f32_neon_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  linear_residual_layer_norm_1536_384_f32_neon_part(rows, buffers[0], strides[0], buffers[1],
      strides[1], buffers[2], buffers[3], buffers[4], buffers[5], buffers[6], strides[6], scratch,
      phase, part, parts);
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
