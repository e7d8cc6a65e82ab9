// Which headers a compilation may read.
#pragma once

#include <llvm/ADT/IntrusiveRefCntPtr.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/Support/VirtualFileSystem.h>

#include <string>

namespace normgen {

/// The folder of the headers that belong to the compiler, below its resource directory.
std::string ownHeaders(llvm::StringRef resourceDirectory);

/// The files below `folder` and nothing else: for all other paths there is no such file.
llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> onlyBelow(std::string folder);

/// A hash over the names and contents of all files below `folder`, in hexadecimal digits.
///
/// A folder that cannot be read has the hash of the reason.
std::string digestOfFiles(const std::string &folder);

} // namespace normgen
