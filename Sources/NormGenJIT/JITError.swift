/// Why C could not be compiled, linked or found in this process.
public enum JITError: Error, Sendable, Hashable {
  /// The package was built without LLVM.
  case llvmMissing(instructions: String)
  /// The package was built for an LLVM that it does not support or that is not installed.
  case unsupportedLLVM(reason: String)
  /// An argument or a target that the compiler does not take.
  case unsupportedArgument(String, reason: String)
  /// The source does not compile; the diagnostics name the line.
  case compilation(file: String, diagnostics: String)
  /// Symbols that the object lacks, or that it needs and the process lacks.
  case missingSymbol(names: [String], object: String)
  /// The bytes are no object that this process can link.
  case link(object: String, reason: String)
  /// A shared library that can't be loaded.
  case library(path: String, reason: String)
  /// A file that the caller asked for could not be written.
  case file(path: String, reason: String)
  /// LLVM failed in a way that the input does not explain.
  case internalFailure(operation: String, reason: String)
}

extension JITError: CustomStringConvertible {
  /// The error in one sentence, and after a compilation Clang's diagnostics below it.
  public var description: String {
    switch self {
    case .llvmMissing(let instructions):
      "no in-process compiler: \(instructions)"
    case .unsupportedLLVM(let reason):
      "no in-process compiler: \(reason)"
    case .unsupportedArgument(let argument, let reason):
      "compiler argument '\(argument)' is not supported: \(reason)"
    case .compilation(let file, let diagnostics):
      "\(file) does not compile:\n\(diagnostics)"
    case .missingSymbol(let names, let object):
      "\(object): undefined symbol\(names.count == 1 ? "" : "s") "
        + names.map { "'\($0)'" }.joined(separator: ", ")
    case .link(let object, let reason):
      "\(object) cannot be linked into this process: \(reason)"
    case .library(let path, let reason):
      "\(path) cannot be loaded into this process: \(reason)"
    case .file(let path, let reason):
      "\(path) cannot be written: \(reason)"
    case .internalFailure(let operation, let reason):
      "\(operation) failed inside LLVM: \(reason)"
    }
  }
}
