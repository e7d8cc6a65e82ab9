/*
 * rms_norm_qkv_4096_12288_q4_0_avx512: a kernel for avx512, emitted by NormGen. Regenerate with
 *
 *   normgen emit rms_norm_qkv_4096_12288_q4_0 --target avx512
 *
 *   kernel rms_norm_qkv_4096_12288_q4_0(
 *     x: f32[rows, 4096],
 *     gain: f32[4096],
 *     w_pack: q4_0[12288, 4096]
 *   ) {
 *     rms_norm {
 *       mean_square = mean(x * x)
 *       inv_rms = 1.0 / sqrt(mean_square + 1e-06)
 *       %1 = x * inv_rms * gain
 *     }
 *     qkv = matmul(%1, w_pack, layout: out_in)
 *   } -> qkv: f32
 *
 * Schedule row_streaming: 3 steps over a chunk of at most 112 rows.
 *   step 1: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
 *      over 4096; pass 2: store rms_norm_rows
 *   step 2: qkv_sums = rms_norm_rows × packed w_pack (4096 × 12288 q4_0)
 *   step 3: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store qkv
 *   panel rms_norm_rows: 4096 f32 a row, 16448 bytes
 *   panel qkv_sums: 12288 f32 a row, 49216 bytes
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
#error "rms_norm_qkv_4096_12288_q4_0_avx512.c needs gcc 10, Clang 11 or later"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \
    || defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "rms_norm_qkv_4096_12288_q4_0_avx512.c fixes every rounding; compile it without -ffast-math or any flag that is part of it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "rms_norm_qkv_4096_12288_q4_0_avx512.c needs float arithmetic in float; on 32-bit x86 compile it with -msse2 -mfpmath=sse"
#endif
#if __has_include("rms_norm_qkv_4096_12288_q4_0_avx512.h")
#include "rms_norm_qkv_4096_12288_q4_0_avx512.h"
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

// Sixteen Int32 lanes; a comparison gives -1 (true) or 0 in each.
typedef int32_t ivec __attribute__((vector_size(64)));

// Sixteen lanes of bits, for arithmetic that wraps.
typedef uint32_t uvec __attribute__((vector_size(64)));

// Sixteen 16-bit lanes: the stored form of a vector of bf16 or f16.
typedef uint16_t hvec __attribute__((vector_size(32)));

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

// Sixteen consecutive floats.
static inline void store_f32(float *p, vec v) {
  *(vec_in_memory *)p = v;
}

// Half precision to Float32, exactly (4 stands for the current rounding, which nothing needs).
static inline vec widen_f16(hvec h) {
  typedef short shorts __attribute__((vector_size(32)));
  vec v = __builtin_ia32_vcvtph2ps512_mask((shorts)h, (vec){0}, (uint16_t)-1, 4);
#if defined(__clang__)
  // LLVM compares halves lane by lane where it knows that v holds them; this hides it.
  __asm__("" : "+v"(v));
#endif
  return v;
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

// Words of four bytes, a word a lane; the first byte is the lowest.
static inline uvec load_words(const void *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "words of bytes are read as a little-endian machine has them"
#endif
  typedef uint32_t words __attribute__((vector_size(sizeof(uvec)), aligned(1), may_alias));
  return *(const words *)p;
}

// `count` bits of each word, from bit `from` on, as a two's complement.
static inline uvec signed_bits_of_words(uvec words, int64_t from, int64_t count) {
  return (uvec)((ivec)(words << (uint32_t)(32 - count - from)) >> (int32_t)(32 - count));
}

// Bits, of which the highest is the sign, as the whole numbers that they are.
static inline vec float_from_bits(uvec bits) {
  return __builtin_convertvector((ivec)bits, vec);
}

// One vector of half-precision values that lie among bytes, as Float32.
static inline vec load_f16_bytes(const uint8_t *p) {
  typedef uint16_t halves __attribute__((vector_size(sizeof(hvec)), aligned(1), may_alias));
  return widen_f16(*(const halves *)p);
}

// `count` bits, all in one byte, from bit `position` of some bytes on.
static inline uint32_t stored_bits(const uint8_t *p, int64_t position, uint32_t count) {
  const uint64_t bit = (uint64_t)position;
  return (uint32_t)p[bit / 8] >> bit % 8 & ((1u << count) - 1);
}

// Such bits with the highest flipped: those of a two's complement, counted from the least.
static inline uint32_t flipped_bits(const uint8_t *p, int64_t position, uint32_t count) {
  return stored_bits(p, position, count) ^ 1u << (count - 1);
}

// Asks for 64 floats to come closer. They need not be readable, nor belong to an array, so that
// their addresses are taken as numbers.
static inline void prefetch_f32_group(const float *p) {
  for (uintptr_t byte = 0; byte < 256; byte += 64) {
    __builtin_prefetch((const void *)((uintptr_t)p + byte), 0, 2);
  }
}

// The same, no closer than the second level of caches.
static inline void prefetch_line_to_l2(const void *p, int64_t byte) {
  __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)byte), 0, 2);
}

// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
// one more where some are left. One part takes all without a division.
static inline int64_t begin_of_part(int64_t count, int64_t part, int64_t parts) {
  if (parts == 1) return count * part;
  const int64_t left = count % parts;
  return count / parts * part + (part < left ? part : left);
}

// Step 1: 2 passes over a row: each pass reads the row from memory or cache; pass 1: mean_square
// over 4096; pass 2: store rms_norm_rows.
static void step1(int64_t rows, const float *restrict x, int64_t x_stride,
    const float *restrict gain, float *restrict rms_norm_rows, int64_t rms_norm_rows_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *x_row = x + row * x_stride;
    float *rms_norm_rows_row = rms_norm_rows + row * rms_norm_rows_stride;
    const int64_t next = row + 1 < rows ? row + 1 : row;
    // Pass 1: mean_square = mean(x * x), over all 4096.
    vec mean_square_partials[4] = {{0}};
    for (int64_t i = 0; i < 4096; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        const vec x_i = load_f32(x_row + i + p * 16);
        mean_square_partials[p] = multiply_add(x_i, x_i, mean_square_partials[p]);
      }
    }
    const float mean_square = sum_partials(mean_square_partials) / 4096.0f;
    const float inv_rms = 1.0f / square_root_scalar(mean_square + 1e-06f);
    // Pass 2: output rms_norm_rows.
    for (int64_t i = 0; i < 4096; i += 64) {
      prefetch_f32_group(x + next * x_stride + i);
      for (int64_t p = 0; p < 4; ++p) {
        store_f32(rms_norm_rows_row + i + p * 16,
            load_f32(x_row + i + p * 16) * inv_rms * load_f32(gain + i + p * 16));
      }
    }
  }
}

// A block of each of the 32 columns of a sliver, as the product reads them: scales, then quants in
// words of 4 bytes, column by column; zeros beyond the `count` columns that are left.
static void gather_4096x12288(const uint8_t *weights, int64_t count, uint8_t *block) {
  for (int64_t c = 0; c < 32; ++c) {
    for (int64_t i = 0; i < 2; ++i) block[2 * c + i] = c < count ? weights[2304 * c + i] : 0;
    for (int64_t w = 0; w < 4; ++w) {
      for (int64_t j = 0; j < 4; ++j) {
        const int64_t element = 8 * w + j;
        const int64_t bit = 18432 * c + 16 + 8 * (element % 16) + 4 * (element / 16);
        const int64_t bit_2 = 18432 * c + 16 + 8 * ((element + 4) % 16) + 4 * ((element + 4) / 16);
        block[128 * w + 4 * c + j + 64] = c < count
            ? flipped_bits(weights, bit, 4) | flipped_bits(weights, bit_2, 4) << 4u : 0;
      }
    }
  }
}

// The u8 elements of packed w_pack.
int64_t rms_norm_qkv_4096_12288_q4_0_avx512_packed_elements_w_pack(void) {
  return 28311552;
}

// Packs w_pack: reads q4_0 blocks of [12288, 4096], row after row, and writes 28311552 bytes.
void rms_norm_qkv_4096_12288_q4_0_avx512_pack_w_pack(const uint8_t *weights, uint8_t *packed) {
  for (int64_t sliver = 0; sliver < 384; ++sliver) {
    for (int64_t b = 0; b < 128; ++b) {
      gather_4096x12288(weights + 73728 * sliver + 18 * b, 12288 - 32 * sliver,
          packed + 73728 * sliver + 576 * b);
    }
  }
}

// The values of `depth` steps of a sliver's blocks, step by step.
static __attribute__((noinline)) void dequantize_4096x12288(const uint8_t *packed, int64_t depth,
    float *values) {
  for (int64_t k = 0; k < depth; k += 32) {
    const uint8_t *group = packed + 576 * (k / 32);
    for (int64_t i = 0; i < 9; ++i) prefetch_line_to_l2(group, 64 * i + 8192);
    vec scales[2];
    for (int64_t v = 0; v < 2; ++v) scales[v] = load_f16_bytes(group + 32 * v);
    for (int64_t u = 0; u < 4; ++u) {
      uvec words[2];
      for (int64_t v = 0; v < 2; ++v) words[v] = load_words(group + 64 * v + 128 * u + 64);
      UNROLLED for (int64_t t = 0; t < 2; ++t) {
        UNROLLED for (int64_t j = 0; j < 4; ++j) {
          for (int64_t v = 0; v < 2; ++v) {
            store_f32(values + 32 * (k + 8 * u + 4 * t + j) + 16 * v,
                scales[v] * float_from_bits(signed_bits_of_words(words[v], 8 * j + 4 * t, 4)));
          }
        }
      }
    }
  }
}

// The sums of `height` rows and the 32 columns of a sliver over `depth` steps, for each one chain
// of fused multiply-adds from +0. What an earlier block has summed is added to.
static inline __attribute__((always_inline)) void tile_4096x12288(int64_t depth, const float *x,
    const float *sliver, float *sums, int is_first, const int64_t height) {
  vec chain[14][2];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float *step = sliver + 32 * k;
    vec weights[2];
    for (int64_t v = 0; v < 2; ++v) weights[v] = load_f32(step + 16 * v);
    UNROLLED for (int64_t r = 0; r < height; ++r) {
      const vec element = broadcast(x[4112 * r + k]);
      for (int64_t v = 0; v < 2; ++v) chain[r][v] = multiply_add(element, weights[v], chain[r][v]);
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2; ++v) {
      float *sum = sums + 12304 * r + 16 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// The same of `slivers` slivers for few rows: their weights are unpacked in registers.
static inline __attribute__((always_inline)) void tile_of_blocks_4096x12288(int64_t depth,
    const float *x, const uint8_t *packed, float *sums, int is_first, const int64_t height,
    const int64_t slivers) {
  vec chain[5][4];
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2 * slivers; ++v) chain[r][v] = broadcast(0.0f);
  }
  for (int64_t k = 0; k < depth; k += 32) {
    const uint8_t *group = packed + 576 * (k / 32);
    for (int64_t v = 0; v < slivers; ++v) {
      for (int64_t i = 0; i < 9; ++i) prefetch_line_to_l2(group, 73728 * v + 64 * i + 8192);
    }
    vec scales[4];
    for (int64_t v = 0; v < 2 * slivers; ++v) {
      scales[v] = load_f16_bytes(group + 73728 * (v / 2) + 32 * (v % 2));
    }
    for (int64_t u = 0; u < 4; ++u) {
      uvec words[4];
      for (int64_t v = 0; v < 2 * slivers; ++v) {
        words[v] = load_words(group + 73728 * (v / 2) + 64 * (v % 2) + 128 * u + 64);
      }
      UNROLLED for (int64_t t = 0; t < 2; ++t) {
        UNROLLED for (int64_t j = 0; j < 4; ++j) {
          vec weights[4];
          for (int64_t v = 0; v < 2 * slivers; ++v) {
            weights[v] = scales[v] * float_from_bits(signed_bits_of_words(words[v], 8 * j + 4 * t,
                4));
          }
          UNROLLED for (int64_t r = 0; r < height; ++r) {
            const vec element = broadcast(x[4112 * r + k + 8 * u + 4 * t + j]);
            for (int64_t v = 0; v < 2 * slivers; ++v) {
              chain[r][v] = multiply_add(element, weights[v], chain[r][v]);
            }
          }
        }
      }
    }
  }
  UNROLLED for (int64_t r = 0; r < height; ++r) {
    for (int64_t v = 0; v < 2 * slivers; ++v) {
      float *sum = sums + 12304 * r + 16 * v;
      store_f32(sum, is_first ? chain[r][v] : load_f32(sum) + chain[r][v]);
    }
  }
}

// Rows of 4096 elements times a matrix of 12288 columns: the slivers of 32 columns from `first` up
// to `end`.
static void multiply_4096x12288(int64_t rows, const float *x, const uint8_t *weights, float *sums,
    char *gathered, int64_t first, int64_t end) {
  if (rows <= 2) {
    int64_t side = 0;
    for (; side + 2 <= end - first; side += 2) {
      const int64_t sliver = first + side;
      for (int64_t k = 0; k < 4096; k += 512) {
        const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
        const uint8_t *packed = weights + 73728 * sliver + 576 * (k / 32);
        const float *x_block = x + k;
        float *sliver_sums = sums + 32 * sliver;
        int64_t row = 0;
        for (; row + 2 <= rows; row += 2) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 2, 2);
        }
        for (; row < rows; ++row) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 1, 2);
        }
      }
    }
    for (; side < end - first; ++side) {
      const int64_t sliver = first + side;
      for (int64_t k = 0; k < 4096; k += 512) {
        const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
        const uint8_t *packed = weights + 73728 * sliver + 576 * (k / 32);
        const float *x_block = x + k;
        float *sliver_sums = sums + 32 * sliver;
        int64_t row = 0;
        for (; row + 2 <= rows; row += 2) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 2, 1);
        }
        for (; row < rows; ++row) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 1, 1);
        }
      }
    }
    return;
  }
  if (rows <= 5) {
    int64_t side = 0;
    for (; side < end - first; ++side) {
      const int64_t sliver = first + side;
      for (int64_t k = 0; k < 4096; k += 512) {
        const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
        const uint8_t *packed = weights + 73728 * sliver + 576 * (k / 32);
        const float *x_block = x + k;
        float *sliver_sums = sums + 32 * sliver;
        int64_t row = 0;
        for (; row + 5 <= rows; row += 5) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 5, 1);
        }
        for (; row + 4 <= rows; row += 4) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 4, 1);
        }
        for (; row + 3 <= rows; row += 3) {
          tile_of_blocks_4096x12288(depth, x_block + 4112 * row, packed, sliver_sums + 12304 * row,
              k == 0, 3, 1);
        }
      }
    }
    return;
  }
  for (int64_t sliver = first; sliver < end; ++sliver) {
    for (int64_t k = 0; k < 4096; k += 512) {
      const int64_t depth = 4096 - k < 512 ? 4096 - k : 512;
      float *block = (float *)gathered;
      const uint8_t *packed = weights + 73728 * sliver + 576 * (k / 32);
      dequantize_4096x12288(packed, depth, block);
      const float *x_block = x + k;
      float *sliver_sums = sums + 32 * sliver;
      int64_t row = 0;
      for (; row + 14 <= rows; row += 14) {
        tile_4096x12288(depth, x_block + 4112 * row, block, sliver_sums + 12304 * row, k == 0, 14);
      }
      for (; row + 8 <= rows; row += 8) {
        tile_4096x12288(depth, x_block + 4112 * row, block, sliver_sums + 12304 * row, k == 0, 8);
      }
      for (; row + 4 <= rows; row += 4) {
        tile_4096x12288(depth, x_block + 4112 * row, block, sliver_sums + 12304 * row, k == 0, 4);
      }
      for (; row + 2 <= rows; row += 2) {
        tile_4096x12288(depth, x_block + 4112 * row, block, sliver_sums + 12304 * row, k == 0, 2);
      }
      for (; row < rows; ++row) {
        tile_4096x12288(depth, x_block + 4112 * row, block, sliver_sums + 12304 * row, k == 0, 1);
      }
    }
  }
}

// Step 3: 1 pass over a row: each pass reads the row from memory or cache; pass 1: store qkv.
static void step3(int64_t rows, const float *restrict qkv_sums, int64_t qkv_sums_stride,
    float *restrict qkv, int64_t qkv_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float *qkv_sums_row = qkv_sums + row * qkv_sums_stride;
    float *qkv_row = qkv + row * qkv_stride;
    // Pass 1: output qkv.
    for (int64_t i = 0; i < 12288; i += 64) {
      for (int64_t p = 0; p < 4; ++p) {
        store_f32(qkv_row + i + p * 16, load_f32(qkv_sums_row + i + p * 16));
      }
    }
  }
}

// The phases of a call that `parts` threads share: with few rows they share every step, with many
// each takes rows of its own through all of them.
int64_t rms_norm_qkv_4096_12288_q4_0_avx512_phases(int64_t rows, int64_t parts) {
  return parts > 1 && rows <= 112 ? 3 : 1;
}

// The bytes of scratch memory of such a call.
int64_t rms_norm_qkv_4096_12288_q4_0_avx512_scratch_bytes(int64_t rows, int64_t parts) {
  const int64_t chunk = rows < 1 ? 0 : (rows < 112 ? rows : 112);
  const int64_t copies = rms_norm_qkv_4096_12288_q4_0_avx512_phases(rows, parts) > 1 ? 1 : parts;
  return copies * chunk * 65664 + parts * 65536 + 64;
}

// The steps from `first_step` up to `end_step`, counted from 0, for a chunk of rows; parts share
// its rows and the products' columns.
static void run_steps(int64_t rows, const float *x, int64_t x_stride, const float *gain,
    const uint8_t *w_pack, float *qkv, int64_t qkv_stride, char *panels, char *gathered,
    int64_t first_step, int64_t end_step, int64_t part, int64_t parts) {
  const int64_t row = begin_of_part(rows, part, parts);
  const int64_t count = begin_of_part(rows, part + 1, parts) - row;
  float *rms_norm_rows = (float *)panels;
  float *qkv_sums = (float *)(panels + rows * 16448);
  for (int64_t step = first_step; step < end_step; ++step) {
    switch (step) {
    case 0:
      step1(count, x + row * x_stride, x_stride, gain, rms_norm_rows + row * 4112, 4112);
      break;
    case 1:
      multiply_4096x12288(rows, rms_norm_rows, w_pack, qkv_sums, gathered,
          begin_of_part(384, part, parts), begin_of_part(384, part + 1, parts));
      break;
    case 2:
      step3(count, qkv_sums + row * 12304, 12304, qkv + row * qkv_stride, qkv_stride);
      break;
    }
  }
}

// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next phase
// begins when they have ended.
void rms_norm_qkv_4096_12288_q4_0_avx512_part(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const uint8_t *w_pack, float *qkv, int64_t qkv_stride, void *scratch,
    int64_t phase, int64_t part, int64_t parts) {
  if (rows < 1) return;
  char *memory = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
  char *gathered = memory + part * 65536;
  char *panels = memory + parts * 65536;
  if (rms_norm_qkv_4096_12288_q4_0_avx512_phases(rows, parts) > 1) {
    run_steps(rows, x, x_stride, gain, w_pack, qkv, qkv_stride, panels, gathered, phase, phase + 1,
        part, parts);
    return;
  }
  // As many rows for each part, in chunks of about the same size, whole tiles of 14.
  const int64_t first = begin_of_part(rows, part, parts);
  const int64_t end = begin_of_part(rows, part + 1, parts);
  if (end <= first) return;
  char *own_panels = panels + part * (rows < 112 ? rows : 112) * 65664;
  const int64_t chunks = (end - first + 111) / 112;
  const int64_t size = ((end - first + chunks - 1) / chunks + 13) / 14 * 14;
  for (int64_t row = first; row < end; row += size) {
    const int64_t count = end - row < size ? end - row : size;
    run_steps(count, x + row * x_stride, x_stride, gain, w_pack, qkv + row * qkv_stride,
        qkv_stride, own_panels, gathered, 0, 3, 0, 1);
  }
}

/*
 * rms_norm_qkv_4096_12288_q4_0_avx512 of `rows` rows; with none, nothing is read or written.
 *
 *   x       f32 [rows, 4096]; x_stride elements from row to row
 *   gain    f32 [4096]
 *   w_pack  u8 [12288, 2304]; as rms_norm_qkv_4096_12288_q4_0_avx512_pack_w_pack leaves them
 *   qkv     f32 [rows, 12288], written; qkv_stride elements from row to row
 *
 * scratch: rms_norm_qkv_4096_12288_q4_0_avx512_scratch_bytes(rows, 1) bytes of any alignment that
 * nobody else uses.
 * Any element's alignment will do. A stride is at least a row's elements. No output may overlap
 * another parameter. bf16 and f16 elements are passed as their bits.
 */
void rms_norm_qkv_4096_12288_q4_0_avx512(int64_t rows, const float *x, int64_t x_stride,
    const float *gain, const uint8_t *w_pack, float *qkv, int64_t qkv_stride, void *scratch) {
  rms_norm_qkv_4096_12288_q4_0_avx512_part(rows, x, x_stride, gain, w_pack, qkv, qkv_stride,
      scratch, 0, 0, 1);
}

void rms_norm_qkv_4096_12288_q4_0_avx512_entry(int64_t rows, void *const *buffers,
    const int64_t *strides, void *scratch, int64_t phase, int64_t part, int64_t parts) {
  rms_norm_qkv_4096_12288_q4_0_avx512_part(rows, buffers[0], strides[0], buffers[1], buffers[2],
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
