// The product of q4_0 weights and f32 rows as llama.cpp computes it on x86 with AVX2: a graph with one
// matmul whose weights lie in the buffer that repacks them. See record.py.
//
// record COLUMNS TERMS ROWS w.bin x.f32 y.f32 q.i8 d.f16
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "quants.h"
#include "repack.h"

template <typename T>
static std::vector<T> read(const char *path, size_t count) {
  std::vector<T> values(count);
  FILE *file = fopen(path, "rb");
  if (!file || fread(values.data(), sizeof(T), count, file) != count) exit(2);
  fclose(file);
  return values;
}

template <typename T>
static void write(const char *path, const std::vector<T> &values) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(values.data(), sizeof(T), values.size(), file) != values.size()) exit(2);
  fclose(file);
}

int main(int count, char **arguments) {
  if (count != 9) return 2;
  const int columns = atoi(arguments[1]), terms = atoi(arguments[2]), rows = atoi(arguments[3]);
  const auto w = read<char>(arguments[4], size_t(columns) * terms / 32 * sizeof(block_q4_0));
  const auto x = read<float>(arguments[5], size_t(rows) * terms);
  ggml_cpu_init();

  ggml_init_params parameters = {1 << 20, nullptr, true};
  ggml_context *weights = ggml_init(parameters), *others = ggml_init(parameters);
  ggml_tensor *W = ggml_new_tensor_2d(weights, GGML_TYPE_Q4_0, terms, columns);
  ggml_backend_alloc_ctx_tensors_from_buft(weights, ggml_backend_cpu_repack_buffer_type());
  if (!W->extra) {
    fputs("this build does not repack q4_0\n", stderr);
    return 1;
  }
  ggml_backend_tensor_set(W, w.data(), 0, w.size());
  ggml_tensor *X = ggml_new_tensor_2d(others, GGML_TYPE_F32, terms, rows);
  ggml_tensor *Y = ggml_mul_mat(others, W, X);
  ggml_backend_alloc_ctx_tensors_from_buft(others, ggml_backend_cpu_buffer_type());
  ggml_backend_tensor_set(X, x.data(), 0, x.size() * sizeof(float));
  ggml_context *graphs = ggml_init(parameters);
  ggml_cgraph *graph = ggml_new_graph(graphs);
  ggml_build_forward_expand(graph, Y);
  ggml_cplan plan = ggml_graph_plan(graph, 1, nullptr);
  std::vector<uint8_t> work(plan.work_size + 64);
  plan.work_data = work.data();
  if (ggml_graph_compute(graph, &plan) != GGML_STATUS_SUCCESS) return 1;
  const float *sums = static_cast<const float *>(Y->data);
  write(arguments[6], std::vector<float>(sums, sums + size_t(rows) * columns));

  std::vector<int8_t> integers;
  std::vector<uint16_t> scales;
  for (int row = 0; row < rows; ++row) {
    std::vector<block_q8_0> blocks(terms / 32);
    quantize_row_q8_0(&x[size_t(row) * terms], blocks.data(), terms);
    for (const block_q8_0 &block : blocks) {
      integers.insert(integers.end(), block.qs, block.qs + 32);
      scales.push_back(block.d);
    }
  }
  write(arguments[7], integers);
  write(arguments[8], scales);
}
