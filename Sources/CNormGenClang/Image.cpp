// Objects linked into this process by ORC.
#ifdef NORMGEN_LLVM

#include "Guard.hpp"

#include <llvm/ADT/StringRef.h>
#include <llvm/ExecutionEngine/Orc/ExecutionUtils.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/Error.h>
#include <llvm/Support/MemoryBuffer.h>
#if LLVM_VERSION_MAJOR >= 17
#include <llvm/TargetParser/Host.h>
#else
#include <llvm/Support/Host.h>
#endif

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

using namespace normgen;

/// One linker for each image: what fails in one cannot harm another, and its end frees everything.
struct ngclang_image {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::mutex mutex;
  /// What ORC reported since the last lookup began. Guarded by `mutex`.
  std::set<std::string> missing;
  std::string reports;
  /// LLVM failed inside this linker: its locks may be held for ever, so nobody may enter again.
  std::atomic<bool> poisoned{false};

  /// Sorts an error into missing names and everything else.
  void record(llvm::Error error) {
    std::lock_guard<std::mutex> lock(mutex);
    llvm::handleAllErrors(
        std::move(error),
        [&](llvm::orc::SymbolsNotFound &notFound) {
          for (const auto &name : notFound.getSymbols()) missing.insert((*name).str());
        },
        // It only says which symbols suffered; the cause was reported before.
        [&](llvm::orc::FailedToMaterialize &failed) {
          if (reports.empty() && missing.empty()) reports = failed.message();
        },
        [&](llvm::ErrorInfoBase &other) {
          if (!reports.empty()) reports += '\n';
          reports += other.message();
        });
  }

  ngclang_result *takeFailure() {
    std::lock_guard<std::mutex> lock(mutex);
    auto names = std::move(missing);
    auto text = std::move(reports);
    missing.clear();
    reports.clear();
    if (names.empty()) return failure(NGCLANG_LINK, std::move(text));
    std::string lines;
    for (const auto &name : names) lines += (lines.empty() ? "" : "\n") + name;
    return failure(NGCLANG_MISSING_SYMBOL, std::move(lines));
  }
};

namespace {

ngclang_result *linkFailure(llvm::Error error) {
  return failure(NGCLANG_LINK, llvm::toString(std::move(error)));
}

/// Null if the object is one that this process can run. ORC itself links any architecture.
ngclang_result *rejection(llvm::MemoryBufferRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(object);
  if (!file) return linkFailure(file.takeError());
  llvm::Triple host(llvm::sys::getProcessTriple());
  if (!(*file)->isRelocatableObject())
    return failure(NGCLANG_LINK, "expected a relocatable object");
  if ((*file)->getArch() != host.getArch())
    return failure(
        NGCLANG_LINK, "the object is for " +
                          llvm::Triple::getArchTypeName((*file)->getArch()).str() +
                          ", this process runs on " + host.getArchName().str());
  return nullptr;
}

ngclang_result *create(llvm::StringRef object, llvm::StringRef name, ngclang_image &image) {
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(object, name);
  if (auto *rejected = rejection(buffer->getMemBufferRef())) return rejected;

  llvm::orc::LLJITBuilder builder;
  // Kernels have no constructors and no thread-local variables.
  builder.setPlatformSetUp(llvm::orc::setUpInactivePlatform);
#if LLVM_VERSION_MAJOR >= 17
  builder.setLinkProcessSymbolsByDefault(false);
#endif
  auto jit = builder.create();
  if (!jit) return linkFailure(jit.takeError());
  image.jit = std::move(*jit);
  // Without a reporter the names of missing symbols go to the standard error.
  image.jit->getExecutionSession().setErrorReporter(
      [&image](llvm::Error error) { image.record(std::move(error)); });
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      image.jit->getDataLayout().getGlobalPrefix());
  if (!process) return linkFailure(process.takeError());
  // Kernels may call what the process has, but a lookup finds only what the object defines.
  auto &library = image.jit->getExecutionSession().createBareJITDylib("process");
  library.addGenerator(std::move(*process));
  image.jit->getMainJITDylib().addToLinkOrder(library);
  if (auto error = image.jit->addObjectFile(std::move(buffer))) return linkFailure(std::move(error));
  return success({});
}

ngclang_result *lookup(ngclang_image &image, llvm::StringRef symbol, const void **address) {
  auto found = image.jit->lookup(symbol);
  if (!found) {
    image.record(found.takeError());
    return image.takeFailure();
  }
#if LLVM_VERSION_MAJOR >= 15
  *address = found->toPtr<const void *>();
#else
  *address = reinterpret_cast<const void *>(static_cast<uintptr_t>(found->getAddress()));
#endif
  return success({});
}

} // namespace

ngclang_result *ngclang_image_create(
    const void *object, size_t count, const char *name, ngclang_image **image) {
  auto *made = new ngclang_image;
  auto *result = guarded("link", [&] {
    return create({static_cast<const char *>(object), count}, name, *made);
  });
  *image = nullptr;
  if (result->status == NGCLANG_OK) {
    *image = made;
  } else {
    made->poisoned = result->status == NGCLANG_INTERNAL;
    ngclang_image_dispose(made);
  }
  return result;
}

ngclang_result *ngclang_image_lookup(
    ngclang_image *image, const char *symbol, const void **address) {
  *address = nullptr;
  if (image->poisoned) return failure(NGCLANG_INTERNAL, "link: the linker failed before");
  auto *result = guarded("link", [&] { return lookup(*image, symbol, address); });
  if (result->status == NGCLANG_INTERNAL) image->poisoned = true;
  return result;
}

void ngclang_image_dispose(ngclang_image *image) {
  // To enter a linker that crashed could wait for ever; its memory is lost.
  if (image->poisoned) return;
  auto *result = guarded("unlink", [&] {
    image->jit.reset();
    return success({});
  });
  if (result->status == NGCLANG_OK) delete image;
  ngclang_result_dispose(result);
}

#endif
