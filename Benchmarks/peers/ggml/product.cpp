// The product of f32 rows and weights in blocks, as a graph of one node of ggml's CPU backend.
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "repack.h"

namespace {

template <auto release>
struct Release {
  template <typename T>
  void operator()(T *pointer) const { release(pointer); }
};

using Context = std::unique_ptr<ggml_context, Release<ggml_free>>;
using Buffer = std::unique_ptr<ggml_backend_buffer, Release<ggml_backend_buffer_free>>;
using Threads = std::unique_ptr<ggml_threadpool, Release<ggml_threadpool_free>>;

// Room for what describes a few tensors and a graph.
Context make_context() { return Context(ggml_init({1 << 20, nullptr, true})); }

// The caller's memory as a tensor's. ggml wants it aligned to its vectors; pages are.
Buffer place(ggml_tensor *tensor, void *memory) {
  Buffer buffer(ggml_backend_cpu_buffer_from_ptr(memory, ggml_nbytes(tensor)));
  const ggml_status status = ggml_backend_tensor_alloc(buffer.get(), tensor, memory);
  return status == GGML_STATUS_SUCCESS ? std::move(buffer) : nullptr;
}

struct Product {
  Context weights = make_context(), others = make_context();
  Buffer w_buffer, x_buffer, y_buffer;
  Threads threads;
  ggml_cgraph *graph = nullptr;
  ggml_cplan plan{};
  std::vector<uint8_t> work;
};

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED void product_free(Product *product) { delete product; }

// `type` is ggml's name of the blocks, [columns, terms]. x is [rows, terms], y [rows, columns]; both
// stay the caller's. Null if there is no such type, or if it should be repacked and can't be.
EXPORTED Product *product_new(const char *type, bool repacked, int64_t rows, int64_t terms,
    int64_t columns, const void *w, float *x, float *y, int32_t threads) {
  int found = 0;
  while (found < GGML_TYPE_COUNT) {
    const char *name = ggml_type_name(static_cast<ggml_type>(found));
    if (name && std::strcmp(name, type) == 0) break;
    ++found;
  }
  if (found == GGML_TYPE_COUNT) return nullptr;
  // It tells of every tensor that it repacks.
  ggml_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
  ggml_cpu_init();

  auto product = std::make_unique<Product>();
  ggml_context *others = product->others.get();
  ggml_tensor *W =
      ggml_new_tensor_2d(product->weights.get(), static_cast<ggml_type>(found), terms, columns);
  product->w_buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(product->weights.get(),
      repacked ? ggml_backend_cpu_repack_buffer_type() : ggml_backend_cpu_buffer_type()));
  if (!product->w_buffer || (repacked && !W->extra)) return nullptr;
  // Says that weights are constant, as a model's loader does.
  ggml_backend_buffer_set_usage(product->w_buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  ggml_backend_tensor_set(W, w, 0, ggml_row_size(W->type, terms) * columns);

  ggml_tensor *X = ggml_new_tensor_2d(others, GGML_TYPE_F32, terms, rows);
  ggml_tensor *Y = ggml_mul_mat(others, W, X);
  product->x_buffer = place(X, x);
  product->y_buffer = place(Y, y);
  if (!product->x_buffer || !product->y_buffer) return nullptr;
  product->graph = ggml_new_graph(others);
  ggml_build_forward_expand(product->graph, Y);

  // Threads that stay, as an application's do.
  ggml_threadpool_params parameters = ggml_threadpool_params_default(threads);
  product->threads.reset(ggml_threadpool_new(&parameters));
  product->plan = ggml_graph_plan(product->graph, threads, product->threads.get());
  product->work.resize(product->plan.work_size + 64);
  product->plan.work_data = product->work.data();
  return product.release();
}

// 0 is success.
EXPORTED int product_run(Product *product, int64_t repetitions) {
  for (int64_t repetition = 0; repetition < repetitions; ++repetition) {
    if (ggml_graph_compute(product->graph, &product->plan) != GGML_STATUS_SUCCESS) return 1;
  }
  return 0;
}
