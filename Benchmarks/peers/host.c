// Calls emitted kernels many times, on one thread or on a pool of them.
//
// Compiled into one shared library with the kernels. One caller at a time.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

enum { MAX_THREADS = 64 };

// About 50 microseconds: as long as the next phase or call of a busy host takes to come.
enum { SPINS = 2000 };

typedef void part_action(const void *call, int64_t part, int64_t parts);

static struct {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  pthread_t threads[MAX_THREADS];
  int64_t count;  // of threads beside the caller's
  atomic_uint_fast64_t turn;
  atomic_int_fast64_t unfinished;
  part_action *action;  // null ends the threads
  const void *call;
  int64_t parts;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void await_turn(uint_fast64_t seen) {
  for (int spin = 0; spin < SPINS; ++spin) {
    if (atomic_load_explicit(&pool.turn, memory_order_acquire) != seen) return;
    relax();
  }
  pthread_mutex_lock(&pool.lock);
  while (atomic_load_explicit(&pool.turn, memory_order_acquire) == seen) {
    pthread_cond_wait(&pool.wake, &pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
}

static void *work(void *argument) {
  const int64_t part = (int64_t)(intptr_t)argument;
  for (uint_fast64_t seen = 0;; ++seen) {
    await_turn(seen);
    if (pool.action == 0) return 0;
    // A call may have fewer parts than there are threads.
    if (part < pool.parts) pool.action(pool.call, part, pool.parts);
    atomic_fetch_sub_explicit(&pool.unfinished, 1, memory_order_release);
  }
}

static void begin_turn(part_action *action, const void *call, int64_t parts) {
  pool.action = action;
  pool.call = call;
  pool.parts = parts;
  atomic_store_explicit(&pool.unfinished, pool.count, memory_order_relaxed);
  pthread_mutex_lock(&pool.lock);
  atomic_fetch_add_explicit(&pool.turn, 1, memory_order_release);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

static void run_parts(part_action *action, const void *call, int64_t parts) {
  if (parts <= 1 || pool.count == 0) {
    for (int64_t part = 0; part < parts; ++part) action(call, part, parts);
    return;
  }
  begin_turn(action, call, parts);
  action(call, 0, parts);
  for (int64_t spin = 0; atomic_load_explicit(&pool.unfinished, memory_order_acquire) > 0; ++spin) {
    relax();
    if (spin % SPINS == SPINS - 1) sched_yield();
  }
}

// Starts a pool of `threads`, the caller's included. 0 is success.
int host_start(int64_t threads) {
  if (threads < 1 || threads > MAX_THREADS || pool.count != 0) return 1;
  for (int64_t part = 1; part < threads; ++part) {
    if (pthread_create(&pool.threads[part], 0, work, (void *)(intptr_t)part) != 0) return 1;
    ++pool.count;
  }
  return 0;
}

// One part of one phase of a kernel, whose tensors are in the order of its parameters.
typedef void kernel_entry(int64_t rows, void *const *buffers, const int64_t *strides, void *scratch,
    int64_t phase, int64_t part, int64_t parts);

struct kernel_call {
  kernel_entry *kernel;
  int64_t rows;
  void *const *buffers;
  const int64_t *strides;
  void *scratch;
  int64_t phases;
  int64_t parts;
  int64_t phase;  // set here
};

static void call_part(const void *argument, int64_t part, int64_t parts) {
  const struct kernel_call *call = argument;
  call->kernel(call->rows, call->buffers, call->strides, call->scratch, call->phase, part, parts);
}

// Calls a kernel so many times, each phase by all parts at once.
void host_run(struct kernel_call *call, int64_t repetitions) {
  for (int64_t repetition = 0; repetition < repetitions; ++repetition) {
    for (call->phase = 0; call->phase < call->phases; ++call->phase) {
      run_parts(call_part, call, call->parts);
    }
  }
}
