#ifdef NORMGEN_LLVM

#include "Guard.hpp"

#include <llvm/Support/CrashRecoveryContext.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace {

/// Where the fatal error handler leaves its reason for the `guarded` call on this thread.
thread_local std::string *fatalReason = nullptr;

void handleFatalError(void *, const char *reason, bool) {
  auto *recovery = llvm::CrashRecoveryContext::GetCurrent();
  if (fatalReason && recovery) {
    *fatalReason = reason;
    recovery->HandleExit(EXIT_FAILURE);
  }
  // Another user of LLVM in this process failed; do as LLVM does without a handler.
  std::fprintf(stderr, "LLVM ERROR: %s\n", reason);
  std::abort();
}

void initializeOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
    llvm::remove_fatal_error_handler();
    llvm::install_fatal_error_handler(handleFatalError);
  });
}

/// Holds LLVM's signal handlers in place while at least one guarded call runs, and no longer: a
/// crash in the program's own code is none of LLVM's business.
class RecoveryScope {
public:
  RecoveryScope() { change(+1); }
  ~RecoveryScope() { change(-1); }
  RecoveryScope(const RecoveryScope &) = delete;
  RecoveryScope &operator=(const RecoveryScope &) = delete;

private:
  static void change(int step) {
    static std::mutex mutex;
    static int active = 0;
    std::lock_guard<std::mutex> lock(mutex);
    if (step > 0 && active == 0) llvm::CrashRecoveryContext::Enable();
    active += step;
    if (active == 0) llvm::CrashRecoveryContext::Disable();
  }
};

/// Clang recurses over the syntax tree; the threads of a caller may have small stacks.
constexpr unsigned stackBytes = 8u << 20;

} // namespace

ngclang_result *normgen::guarded(
    const char *operation, llvm::function_ref<ngclang_result *()> work) {
  initializeOnce();
  RecoveryScope scope;
  auto recovery = std::make_unique<llvm::CrashRecoveryContext>();
  std::string reason;
  ngclang_result *result = nullptr;
  bool finished = recovery->RunSafelyOnThread(
      [&] {
        fatalReason = &reason;
        result = work();
      },
      stackBytes);
  if (finished && result) return result;
  if (reason.empty()) reason = "crash, code " + std::to_string(recovery->RetCode);
  // Its destructor would destroy what Clang registered with it, which refers to the stack of a
  // thread that is gone: by now another thread's.
  (void)recovery.release();
  return failure(NGCLANG_INTERNAL, std::string(operation) + ": " + reason);
}

#endif
