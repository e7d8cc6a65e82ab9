// C text to object code, assembly text or LLVM IR, without a process and without files.
#ifdef NORMGEN_LLVM

#include "ClangHeaders.hpp"
#include "Guard.hpp"
#include "Headers.hpp"

#include <memory>
#include <string>
#include <vector>

using namespace normgen;

namespace {

#define NORMGEN_STRING_OF(x) #x
#define NORMGEN_STRING(x) NORMGEN_STRING_OF(x)
/// Where the driver believes it lies: it finds the resource directory from there. No program of
/// that name is needed or run.
constexpr const char driverPath[] = "/usr/lib/llvm-" NORMGEN_STRING(NORMGEN_LLVM) "/bin/clang";

/// The input that the driver sees; each compile puts its own source and name in its place.
constexpr const char placeholder[] = "kernel.c";

/// A diagnostics engine that prints plain text to a string.
class TextDiagnostics {
public:
  TextDiagnostics()
      : stream(text),
#if LLVM_VERSION_MAJOR >= 21
        printer(stream, options),
        engine(ids, options, &printer, /*ShouldOwnClient=*/false)
#else
        options(new clang::DiagnosticOptions), printer(stream, options.get()),
        engine(ids, options, &printer, /*ShouldOwnClient=*/false)
#endif
  {
  }

  clang::DiagnosticsEngine &get() { return engine; }
  clang::DiagnosticConsumer &consumer() { return printer; }
  std::string take() { return std::move(stream.str()); }

private:
  std::string text;
  llvm::raw_string_ostream stream;
  llvm::IntrusiveRefCntPtr<clang::DiagnosticIDs> ids{new clang::DiagnosticIDs};
#if LLVM_VERSION_MAJOR >= 21
  clang::DiagnosticOptions options;
#else
  llvm::IntrusiveRefCntPtr<clang::DiagnosticOptions> options;
#endif
  clang::TextDiagnosticPrinter printer;
  clang::DiagnosticsEngine engine;
};

/// The driver's own flags, before the caller's.
std::vector<const char *> driverArguments(std::string &targetFlag, const char *triple) {
  std::vector<const char *> arguments = {driverPath};
#if LLVM_VERSION_MAJOR >= 16
  // What a user's or a system's configuration file says must not reach the kernels.
  arguments.push_back("--no-default-config");
#endif
  if (triple) {
    targetFlag = std::string("--target=") + triple;
    arguments.push_back(targetFlag.c_str());
  }
  // The working directory must not reach the arguments: they are part of the cache's key.
  for (const char *argument : {"-ffile-compilation-dir=.", "-x", "c", "-c", placeholder})
    arguments.push_back(argument);
  return arguments;
}

/// The arguments without those that the driver takes from the environment.
///
/// `CPATH` becomes folders like those of `-I`, the variables of the languages folders of options
/// that the caller has none of, and `SOURCE_DATE_EPOCH` the date.
std::vector<std::string> withoutEnvironment(
    const llvm::opt::ArgStringList &arguments, llvm::ArrayRef<const char *> callers) {
  auto isCallers = [&](llvm::StringRef folder) {
    return llvm::any_of(callers, [&](const char *argument) {
      llvm::StringRef text(argument);
      return text.consume_front("-I") && text == folder;
    });
  };
  std::vector<std::string> kept;
  for (size_t index = 0; index < arguments.size(); ++index) {
    llvm::StringRef text(arguments[index]);
    bool hasValue = index + 1 < arguments.size();
    if (hasValue && (text == "-c-isystem" || text == "-cxx-isystem" || text == "-objc-isystem" ||
                     text == "-objcxx-isystem" || text == "-source-date-epoch" ||
                     (text == "-I" && !isCallers(arguments[index + 1])))) {
      ++index;
      continue;
    }
    if (text.size() > 2 && text.take_front(2) == "-I" && !isCallers(text.drop_front(2))) continue;
    // With it the compiler keeps its memory until the process ends: about a megabyte a kernel.
    if (text == "-cc1" || text == "-disable-free") continue;
    kept.push_back(text.str());
  }
#if LLVM_VERSION_MAJOR >= 16
  kept.insert(kept.end(), {"-source-date-epoch", "0"});
#endif
  return kept;
}

ngclang_result *cc1Arguments(const char *triple, const char *const *extra, size_t count) {
  TextDiagnostics diagnostics;
  clang::driver::Driver driver(
      driverPath, llvm::sys::getDefaultTargetTriple(), diagnostics.get());
  driver.setCheckInputsExist(false);
  std::string targetFlag;
  auto arguments = driverArguments(targetFlag, triple);
  arguments.insert(arguments.end(), extra, extra + count);
  std::unique_ptr<clang::driver::Compilation> compilation(driver.BuildCompilation(arguments));
  if (!compilation || diagnostics.get().hasErrorOccurred())
    return failure(NGCLANG_ARGUMENTS, diagnostics.take());

  const clang::driver::Command *compile = nullptr;
  unsigned jobs = 0;
  for (const auto &job : compilation->getJobs()) {
    compile = &job;
    ++jobs;
  }
  if (jobs != 1 || llvm::StringRef(compile->getCreator().getName()) != "clang")
    return failure(
        NGCLANG_ARGUMENTS, diagnostics.take() + "the arguments make " + std::to_string(jobs) +
                               " jobs; expected one compilation by clang itself");

  std::string output;
  for (const auto &argument : withoutEnvironment(compile->getArguments(), {extra, count})) {
    output.append(argument);
    output.push_back('\0');
  }
  return success(std::move(output), diagnostics.take());
}

std::unique_ptr<clang::CodeGenAction> makeAction(ngclang_product product) {
  switch (product) {
  case NGCLANG_OBJECT: return std::make_unique<clang::EmitObjAction>();
  case NGCLANG_ASSEMBLY: return std::make_unique<clang::EmitAssemblyAction>();
  case NGCLANG_LLVM_IR: return std::make_unique<clang::EmitLLVMAction>();
  }
  return nullptr;
}

ngclang_result *compile(
    llvm::ArrayRef<const char *> arguments, llvm::StringRef source, llvm::StringRef fileName,
    ngclang_product product, ngclang_headers headers) {
  auto action = makeAction(product);
  if (!action) return failure(NGCLANG_INTERNAL, "compile: unknown product");

  TextDiagnostics diagnostics;
  auto invocation = std::make_shared<clang::CompilerInvocation>();
  if (!clang::CompilerInvocation::CreateFromArgs(*invocation, arguments, diagnostics.get()))
    return failure(NGCLANG_ARGUMENTS, diagnostics.take());

  llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> files = llvm::vfs::getRealFileSystem();
  if (headers == NGCLANG_OWN_HEADERS) {
    auto &search = invocation->getHeaderSearchOpts();
    auto own = ownHeaders(search.ResourceDir);
    llvm::erase_if(search.UserEntries, [&](const auto &entry) { return entry.Path != own; });
    files = onlyBelow(std::move(own));
  }

  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(source, fileName);
  auto &frontend = invocation->getFrontendOpts();
  frontend.Inputs.clear();
  frontend.Inputs.emplace_back(
      buffer->getMemBufferRef(), clang::InputKind(clang::Language::C));
  frontend.OutputFile.clear();
  auto &codeGen = invocation->getCodeGenOpts();
  codeGen.MainFileName = fileName.str();
  // Names make IR readable; they change no instruction.
  if (product == NGCLANG_LLVM_IR) codeGen.DiscardValueNames = false;

#if LLVM_VERSION_MAJOR >= 21
  clang::CompilerInstance instance(invocation);
#else
  clang::CompilerInstance instance;
  instance.setInvocation(invocation);
#endif
#if LLVM_VERSION_MAJOR >= 22
  instance.createVirtualFileSystem(files);
#endif
  instance.createDiagnostics(&diagnostics.consumer(), /*ShouldOwnClient=*/false);
#if LLVM_VERSION_MAJOR >= 22
  instance.createFileManager();
#else
  instance.createFileManager(files);
#endif
  // Otherwise "1 error generated." goes to the standard error.
  instance.setVerboseOutputStream(llvm::nulls());
  llvm::SmallVector<char, 0> output;
  instance.setOutputStream(std::make_unique<llvm::raw_svector_ostream>(output));

  if (!instance.ExecuteAction(*action) || instance.getDiagnostics().hasErrorOccurred())
    return failure(NGCLANG_COMPILATION, diagnostics.take());
  if (output.empty())
    return failure(NGCLANG_INTERNAL, diagnostics.take() + "compile: Clang wrote no output");
  return success(std::string(output.begin(), output.end()), diagnostics.take());
}

} // namespace

ngclang_result *ngclang_version(void) { return success(LLVM_VERSION_STRING); }

ngclang_result *ngclang_identity(const char *const *cc1_arguments, size_t count) {
  return guarded("identity", [&] {
    TextDiagnostics diagnostics;
    clang::CompilerInvocation invocation;
    if (!clang::CompilerInvocation::CreateFromArgs(
            invocation, {cc1_arguments, count}, diagnostics.get()))
      return failure(NGCLANG_ARGUMENTS, diagnostics.take());
    auto own = ownHeaders(invocation.getHeaderSearchOpts().ResourceDir);
    return success(clang::getClangFullVersion() + ", headers " + digestOfFiles(own));
  });
}

ngclang_result *ngclang_host_cpu(void) { return success(llvm::sys::getHostCPUName().str()); }

ngclang_result *ngclang_cc1_arguments(
    const char *triple, const char *const *arguments, size_t count) {
  return guarded("driver", [&] { return cc1Arguments(triple, arguments, count); });
}

ngclang_result *ngclang_compile(
    const char *const *cc1_arguments, size_t count, const char *source, size_t source_count,
    const char *file_name, ngclang_product product, ngclang_headers headers) {
  return guarded("compile", [&] {
    return compile({cc1_arguments, count}, {source, source_count}, file_name, product, headers);
  });
}

#endif
