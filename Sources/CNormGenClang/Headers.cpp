#ifdef NORMGEN_LLVM

#include "LLVMHeaders.hpp"

#include "Headers.hpp"

#include <llvm/ADT/SmallString.h>
#include <llvm/ADT/StringExtras.h>
#include <llvm/Support/FileSystem.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/Path.h>
#include <llvm/Support/xxhash.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace {

/// See `onlyBelow`.
class FolderFileSystem : public llvm::vfs::ProxyFileSystem {
public:
  explicit FolderFileSystem(std::string folder)
      : ProxyFileSystem(llvm::vfs::getRealFileSystem()), prefix(std::move(folder) + "/") {}

  llvm::ErrorOr<llvm::vfs::Status> status(const llvm::Twine &path) override {
    if (!holds(path)) return absent();
    return ProxyFileSystem::status(path);
  }

#if LLVM_VERSION_MAJOR >= 19
  bool exists(const llvm::Twine &path) override {
    return holds(path) && ProxyFileSystem::exists(path);
  }
#endif

  llvm::ErrorOr<std::unique_ptr<llvm::vfs::File>> openFileForRead(
      const llvm::Twine &path) override {
    if (!holds(path)) return absent();
    return ProxyFileSystem::openFileForRead(path);
  }

  llvm::vfs::directory_iterator dir_begin(
      const llvm::Twine &path, std::error_code &error) override {
    if (holds(path)) return ProxyFileSystem::dir_begin(path, error);
    error = absent();
    return {};
  }

private:
  static std::error_code absent() {
    return std::make_error_code(std::errc::no_such_file_or_directory);
  }

  /// Whether the path is the folder or leads to something below it.
  bool holds(const llvm::Twine &path) const {
    llvm::SmallString<256> whole;
    path.toVector(whole);
    if (makeAbsolute(whole)) return false;
    llvm::sys::path::remove_dots(whole, /*remove_dot_dot=*/true);
    whole.push_back('/');
    return llvm::StringRef(whole).substr(0, prefix.size()) == prefix;
  }

  const std::string prefix;
};

uint64_t hash(llvm::StringRef bytes) {
#if LLVM_VERSION_MAJOR >= 17
  return llvm::xxh3_64bits(bytes);
#else
  return llvm::xxHash64(bytes);
#endif
}

} // namespace

std::string normgen::ownHeaders(llvm::StringRef resourceDirectory) {
  // As the driver writes it among the compiler's arguments.
  llvm::SmallString<256> path(resourceDirectory);
  llvm::sys::path::append(path, "include");
  return path.str().str();
}

llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> normgen::onlyBelow(std::string folder) {
  return new FolderFileSystem(std::move(folder));
}

std::string normgen::digestOfFiles(const std::string &folder) {
  std::vector<std::string> paths;
  std::error_code error;
  llvm::sys::fs::recursive_directory_iterator entry(folder, error), end;
  for (; entry != end && !error; entry.increment(error)) {
    if (entry->type() != llvm::sys::fs::file_type::directory_file) paths.push_back(entry->path());
  }
  std::string reason = error ? error.message() : "";
  // The order of a directory is the file system's.
  std::sort(paths.begin(), paths.end());
  std::string lines = reason;
  for (const auto &path : paths) {
    lines += "\n" + path.substr(folder.size()) + " ";
    auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    lines += file ? llvm::utohexstr(hash((*file)->getBuffer())) : file.getError().message();
  }
  return llvm::utohexstr(hash(lines));
}

#endif
