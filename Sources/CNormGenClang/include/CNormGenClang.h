// The in-process C compiler and linker of NormGen, behind plain C: Swift's C++ interoperability
// cannot import Clang's headers.
//
// Every call that can fail returns a result, which the caller owns and disposes of. No call prints,
// exits or lets a C++ exception out. All calls may run concurrently.
#ifndef CNORMGENCLANG_H
#define CNORMGENCLANG_H

#include <stddef.h>

#include "Pause.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ngclang_status {
  NGCLANG_OK = 0,
  /// Built without LLVM; the message says what to install.
  NGCLANG_LLVM_MISSING,
  /// Built for an LLVM that is not supported; the message names the supported ones.
  NGCLANG_LLVM_UNSUPPORTED,
  /// The driver refused the arguments or the target; the message holds its diagnostics.
  NGCLANG_ARGUMENTS,
  /// The source does not compile; the message holds the diagnostics.
  NGCLANG_COMPILATION,
  /// A symbol is not defined; the message holds the names, one a line.
  NGCLANG_MISSING_SYMBOL,
  /// The object cannot be linked; the message says why.
  NGCLANG_LINK,
  /// LLVM failed in a way that the input does not explain; the message says how.
  NGCLANG_INTERNAL
} ngclang_status;

typedef enum ngclang_product {
  NGCLANG_OBJECT = 0,
  NGCLANG_ASSEMBLY,
  NGCLANG_LLVM_IR
} ngclang_product;

/// Which headers a compilation may read.
typedef enum ngclang_headers {
  /// Those that belong to the compiler; no other file is read.
  NGCLANG_OWN_HEADERS = 0,
  /// The system's, too, and all that a source or an argument names.
  NGCLANG_ALL_HEADERS
} ngclang_headers;

/// Bytes that belong to a result. Never null; a zero byte follows them.
typedef struct ngclang_bytes {
  const char *_Nonnull start;
  size_t count;
} ngclang_bytes;

typedef struct ngclang_result ngclang_result;
typedef struct ngclang_image ngclang_image;

ngclang_status ngclang_result_status(const ngclang_result *_Nonnull result);
/// What was asked for; empty unless the status is `NGCLANG_OK`.
ngclang_bytes ngclang_result_output(const ngclang_result *_Nonnull result);
/// Diagnostics: the reason of a failure, or the warnings and remarks of a success.
ngclang_bytes ngclang_result_message(const ngclang_result *_Nonnull result);
void ngclang_result_dispose(ngclang_result *_Nonnull result);

/// The output is the version of the LLVM in this process, like `19.1.7`.
ngclang_result *_Nonnull ngclang_version(void);
/// The output tells this build of Clang and its headers from every other: its version with what
/// its packager calls it, and a hash over the headers in the resource directory that the arguments
/// of the compiler proper name.
ngclang_result *_Nonnull ngclang_identity(
    const char *_Nonnull const *_Nonnull cc1_arguments, size_t count);
/// The output is LLVM's name of the processor that runs this process.
ngclang_result *_Nonnull ngclang_host_cpu(void);

/// Translates driver arguments to the arguments of the compiler proper, each ended by a zero byte.
///
/// The triple null means this process. The arguments name neither input nor output; the caller
/// admits only arguments that change code generation, for a driver prints what `-v` asks for.
/// Nothing of the process's environment is in them, and `__DATE__` is the first day of 1970 in UTC
/// (with LLVM 14 it is the day of the compilation).
ngclang_result *_Nonnull ngclang_cc1_arguments(
    const char *_Nullable triple, const char *_Nonnull const *_Nonnull arguments, size_t count);

/// Compiles one C source held in memory.
///
/// The file name need not exist: it stands in diagnostics and in debug information.
ngclang_result *_Nonnull ngclang_compile(
    const char *_Nonnull const *_Nonnull cc1_arguments, size_t count,
    const char *_Nonnull source, size_t source_count, const char *_Nonnull file_name,
    ngclang_product product, ngclang_headers headers);

/// Takes a copy of a relocatable object into this process; `image` is null unless the status is
/// `NGCLANG_OK`. The object is linked at the first lookup.
ngclang_result *_Nonnull ngclang_image_create(
    const void *_Nonnull object, size_t count, const char *_Nonnull name,
    ngclang_image *_Nullable *_Nonnull image);
/// Finds a symbol; the address holds until the image is disposed of.
ngclang_result *_Nonnull ngclang_image_lookup(
    ngclang_image *_Nonnull image, const char *_Nonnull symbol,
    const void *_Nullable *_Nonnull address);
void ngclang_image_dispose(ngclang_image *_Nonnull image);

#ifdef __cplusplus
}
#endif

#endif
