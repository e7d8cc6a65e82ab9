// Runs LLVM so that none of its failures ends the process.
#pragma once

#include "Result.hpp"

#include "LLVMHeaders.hpp"

#include <llvm/ADT/STLFunctionalExtras.h>

namespace normgen {

/// Runs `work` on a thread of its own stack and returns its result.
///
/// A fatal error or a crash inside LLVM becomes a result of status `NGCLANG_INTERNAL` that names
/// `operation`. What LLVM held at that moment is then lost, not freed; after a crash, unlike after
/// a fatal error, LLVM's own global state may be damaged, as in any program that recovers so.
ngclang_result *guarded(const char *operation, llvm::function_ref<ngclang_result *()> work);

} // namespace normgen
