internal import CNormGenClang
internal import Synchronization

/// The Clang and LLVM in this process.
///
/// There is one session; it may be used from any number of threads at once. It reads no files except
/// headers that a source includes, writes none, and prints nothing; variables of the environment such
/// as `CPATH` do not reach it. A fatal error inside LLVM is thrown as
/// ``JITError/internalFailure(operation:reason:)``.
///
/// Emitted C needs only headers that belong to the compiler, and no other file is read for it. C
/// that does not compile so is compiled with the system's headers and those it names by path; see
/// ``Compilation/readsOnlyOwnHeaders``.
package final class ClangSession: Sendable {
  /// The version of Clang and LLVM, like `19.1.7`.
  package let version: String
  /// LLVM's name of the processor that runs this process, like `znver4`.
  package let hostCPU: String

  /// The compiler's own arguments by driver options: the driver runs once for each options value.
  private let resolved = Mutex<[CompileOptions: [String]]>([:])
  /// What tells this compiler and its headers from others, once it was asked for.
  private let knownIdentity = Mutex<String?>(nil)

  private init() throws(JITError) {
    let version = ShimResult(consuming: ngclang_version())
    try version.check(operation: "version", subject: "LLVM")
    let hostCPU = ShimResult(consuming: ngclang_host_cpu())
    try hostCPU.check(operation: "host processor", subject: "LLVM")
    self.version = version.text
    self.hostCPU = hostCPU.text
  }

  private static let instance = Result<ClangSession, JITError> { () throws(JITError) in
    try ClangSession()
  }

  /// The session of this process; throws if the package was built without LLVM.
  package static func shared() throws(JITError) -> ClangSession {
    try instance.get()
  }

  /// What a compilation makes.
  package enum Form: Sendable, Hashable {
    case object
    case assembly
    case llvmIR
  }

  /// What a compilation made.
  package struct Compilation: Sendable, Hashable {
    /// An ELF object, or UTF-8 text.
    package let bytes: [UInt8]
    /// Warnings and remarks; empty when there are none.
    package let diagnostics: String
    /// Whether the source and the compiler alone decide the bytes: no header but the compiler's
    /// own was there to be read.
    package let readsOnlyOwnHeaders: Bool
  }

  /// Compiles one self-contained C source.
  ///
  /// - Parameters:
  ///   - fileName: stands in diagnostics and debug information; no such file need exist.
  package func compile(
    _ form: Form, source: String, fileName: String, options: CompileOptions
  ) throws(JITError) -> Compilation {
    let arguments = try cc1Arguments(for: options)
    let kind =
      switch form {
      case .object: NGCLANG_OBJECT
      case .assembly: NGCLANG_ASSEMBLY
      case .llvmIR: NGCLANG_LLVM_IR
      }
    let byteCount = source.utf8.count
    func made(with headers: ngclang_headers) -> ShimResult {
      withCStrings(arguments) { arguments, count in
        ShimResult(
          consuming: ngclang_compile(
            arguments, count, source, byteCount, fileName, kind, headers))
      }
    }
    var result = made(with: NGCLANG_OWN_HEADERS)
    var readsOnlyOwnHeaders = true
    if result.status == NGCLANG_COMPILATION {
      result = made(with: NGCLANG_ALL_HEADERS)
      readsOnlyOwnHeaders = false
    }
    try result.check(operation: "compilation of \(fileName)", subject: fileName)
    return Compilation(
      bytes: result.output, diagnostics: result.message,
      readsOnlyOwnHeaders: readsOnlyOwnHeaders)
  }

  /// Compiles to the bytes of an ELF object.
  package func object(
    source: String, fileName: String, options: CompileOptions
  ) throws(JITError) -> [UInt8] {
    try compile(.object, source: source, fileName: fileName, options: options).bytes
  }

  /// Compiles to assembly text.
  package func assembly(
    source: String, fileName: String, options: CompileOptions
  ) throws(JITError) -> String {
    let made = try compile(.assembly, source: source, fileName: fileName, options: options)
    return String(decoding: made.bytes, as: UTF8.self)
  }

  /// Compiles to LLVM IR text, after optimization.
  package func llvmIR(
    source: String, fileName: String, options: CompileOptions
  ) throws(JITError) -> String {
    let made = try compile(.llvmIR, source: source, fileName: fileName, options: options)
    return String(decoding: made.bytes, as: UTF8.self)
  }

  /// The arguments of the compiler proper that the driver makes of `options`.
  ///
  /// They name the processor and its features in full, so they are part of a cache key, and
  /// nothing of the environment is in them.
  package func cc1Arguments(for options: CompileOptions) throws(JITError) -> [String] {
    if let known = resolved.withLock({ $0[options] }) { return known }
    try options.admitArguments()
    let result = withCStrings(options.arguments) { arguments, count in
      ShimResult(consuming: ngclang_cc1_arguments(options.triple, arguments, count))
    }
    let target = options.triple.map { ["--target=\($0)"] } ?? []
    try result.check(
      operation: "driver", subject: (target + options.arguments).joined(separator: " "))
    let arguments = result.output.split(separator: 0, omittingEmptySubsequences: false).dropLast()
      .map { String(decoding: $0, as: UTF8.self) }
    resolved.withLock { $0[options] = arguments }
    return arguments
  }

  /// What tells this build of Clang and LLVM, with its headers, from every other: part of a cache
  /// key.
  func identity(for options: CompileOptions) throws(JITError) -> String {
    if let known = knownIdentity.withLock({ $0 }) { return known }
    let result = withCStrings(try cc1Arguments(for: options)) { arguments, count in
      ShimResult(consuming: ngclang_identity(arguments, count))
    }
    try result.check(operation: "identity", subject: "Clang")
    let identity = result.text
    knownIdentity.withLock { $0 = identity }
    return identity
  }
}
