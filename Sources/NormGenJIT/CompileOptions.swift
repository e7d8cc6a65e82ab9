/// How C is compiled: for which target, with which driver arguments.
///
/// Arguments are those of Clang's command line, each with its value joined to it (`-DN=4`, not
/// `-D N=4`). Only arguments that change code generation, preprocessing or diagnostics are
/// admitted; see ``ClangSession``.
public struct CompileOptions: Sendable, Hashable {
  /// The target triple, like `aarch64-linux-gnu`; nil is the machine that runs this process.
  public var triple: String?
  /// The driver arguments, in order.
  public var arguments: [String]

  /// Compiles for `triple` with `arguments`.
  public init(triple: String? = nil, arguments: [String]) {
    self.triple = triple
    self.arguments = arguments
  }

  /// Compiles for the processor that runs this process.
  ///
  /// No flag here lets the compiler change the result of an operation. Processors whose tuning
  /// prefers 256 bits would split and spill 64-byte vectors without the preferred width.
  public static var host: CompileOptions {
    #if arch(x86_64)
      let processor = ["-march=native", "-mprefer-vector-width=512"]
    #else
      let processor = ["-mcpu=native"]
    #endif
    return CompileOptions(arguments: ["-O3"] + processor + numericArguments)
  }

  /// The arguments that hold every kernel to the numeric contract, on every target.
  public static let numericArguments = ["-fno-math-errno", "-ffp-contract=off"]
}

extension CompileOptions {
  /// Throws unless every argument is of a kind that can only change the code or the diagnostics.
  ///
  /// Others would print (`-v`), write files (`-save-temps`), load code (`-fplugin=`), change
  /// LLVM for the whole process (`-mllvm`), or name further inputs (`-fprofile-use=`).
  func admitArguments() throws(JITError) {
    if let triple, triple.isEmpty || triple.utf8.contains(0) {
      throw .unsupportedArgument(
        triple, reason: "a target triple is not empty and holds no zero byte")
    }
    for argument in arguments {
      let admitted =
        Self.admittedFlags.contains(argument)
        || Self.admittedPrefixes.contains {
          argument.hasPrefix($0) && argument.utf8.count > $0.utf8.count
        }
      let refused = Self.refusedPrefixes.contains { argument.hasPrefix($0) }
      guard admitted, !refused, !argument.utf8.contains(0) else {
        throw .unsupportedArgument(
          argument,
          reason: "expected one of \(Self.admittedFlags.sorted().joined(separator: " ")) or an "
            + "argument that starts with one of \(Self.admittedPrefixes.joined(separator: " ")), "
            + "its value joined to it")
      }
    }
  }

  private static let admittedFlags: Set<String> = ["-O", "-g", "-w", "-pedantic", "-nostdinc"]
  private static let admittedPrefixes = [
    "-O", "-std=", "-m", "-f", "-g", "-D", "-U", "-I", "-W", "-R",
  ]
  private static let refusedPrefixes = [
    "-mllvm", "-fplugin", "-fpass-plugin", "-ftime-", "-fdump-", "-fsave-", "-fproc-stat-report",
    "-fsyntax-only", "-gsplit-dwarf", "-Wa,", "-Wl,", "-Wp,", "-fprofile", "-fcs-profile",
    "-fcoverage", "-fmodule", "-foptimization-record", "-fcrash-diagnostics", "-fsanitize-",
    "-fthinlto", "-fbasic-block-", "-fxray", "-fapinotes", "-frandomize-layout",
  ]
}
