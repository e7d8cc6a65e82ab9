// Which LLVM the shim is built against, checked before its headers are read.
#pragma once

#if !__has_include(<clang/Frontend/CompilerInstance.h>)
#error "the headers of LLVM and Clang are not under /usr/lib/llvm-NN/include: install llvm-NN-dev, \
libclang-NN-dev and libclang-cppNN-dev with the NN of NORMGEN_LLVM, or build with NORMGEN_LLVM=none"
#endif

// The installed libraries are release builds: their inline functions must be compiled alike.
#ifndef NDEBUG
#define NDEBUG
#endif

#include <llvm/Config/llvm-config.h>

#if LLVM_VERSION_MAJOR != NORMGEN_LLVM
#error "the LLVM headers found are not those of the version that NORMGEN_LLVM names"
#endif
