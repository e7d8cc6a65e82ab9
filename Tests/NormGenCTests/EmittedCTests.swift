import Foundation
import NormGen
import NormGenC
import NormGenFuzz
import NormGenTestSupport
import Testing

/// Emitted files are complete C: other compilers accept them without a warning, and they need no
/// library.
@Suite struct EmittedCTests {
  static let strict = [
    "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wmissing-prototypes", "-Werror", "-O1", "-fPIC",
  ]

  /// Compiles every source of a target and looks for undefined symbols.
  private func compile(_ sources: [CSource], _ compiler: CCompiler) throws {
    try withTemporaryDirectory { directory in
      for source in sources {
        try Data(source.source.utf8).write(
          to: directory.appendingPathComponent("\(source.name).c"))
        try Data(source.header.utf8).write(
          to: directory.appendingPathComponent("\(source.name).h"))
      }
      let names = sources.map(\.name)
      try compiler.run(Self.strict + ["-c"] + names.map { "\($0).c" }, in: directory)
      // The header stands alone, in C and in C++.
      let user = names.map { "#include \"\($0).h\"\n" }.joined()
      try Data(user.utf8).write(to: directory.appendingPathComponent("user.c"))
      try compiler.run(Self.strict + ["-fsyntax-only", "user.c"], in: directory)
      let linked = try Command.output(
        "/usr/bin/env", ["nm", "-u"] + names.map { "\($0).o" }, in: directory)
      let undefined = linked.split(separator: "\n").filter { $0.contains(" U ") }
        .filter { !$0.contains("_GLOBAL_OFFSET_TABLE_") }
      #expect(undefined == [], "\(compiler)")
    }
  }

  @Test(arguments: CCompiler.all, Target.general)
  func randomKernelsCompileWithoutWarnings(compiler: CCompiler, target: Target) throws {
    guard compiler.compiles(target) else { return }
    let sources = try (0..<24 as Range<UInt64>).map { seed in
      try Compiler(target: target).lower(RandomGraph(seed: seed).kernel).source
    }
    try compile(sources, compiler)
  }

  @Test(arguments: CCompiler.all)
  func catalogCompilesForAnyMachine(compiler: CCompiler) throws {
    let sources = try Catalog.standard.entries.map {
      try Compiler(target: .portable).lower($0.kernel).source
    }
    try compile(sources, compiler)
  }

  /// Files with prefixes of their own fit in one translation unit, behind the C library's headers.
  @Test(arguments: CCompiler.all, Target.general)
  func prefixedFilesFitInOneTranslationUnit(compiler: CCompiler, target: Target) throws {
    guard compiler.compiles(target) else { return }
    let names = ["layer_norm_768_f32", "linear_gelu_384_1536_f32", "llama_rms_norm_4096_bf16"]
    let sources = try names.enumerated().map { number, name in
      let entry = try #require(Catalog.standard[name])
      return try Compiler(target: target).lower(entry.kernel).source
        .prefixingOwnNames(with: "k\(number)_")
    }
    try compile(sources, compiler)
    try withTemporaryDirectory { directory in
      for source in sources {
        try Data(source.header.utf8).write(
          to: directory.appendingPathComponent("\(source.name).h"))
      }
      let all = "#include <math.h>\n#include <stdlib.h>\n" + sources.map(\.source).joined()
      try Data(all.utf8).write(to: directory.appendingPathComponent("all.c"))
      try compiler.run(Self.strict + ["-c", "all.c"], in: directory)
    }
  }

  /// A prefix that makes a name of the kernel's out of another one is refused.
  @Test func prefixesThatMeetANameAreRefused() throws {
    let text = "kernel k(a_vec: f32[rows, 64]) {\ny = rms_norm(a_vec)\n} -> y\n"
    let graph = try #require(try GraphParser.graphs(in: text).first)
    let source = try Compiler(target: .avx2).lower(graph).source
    let error = #expect(throws: PrefixError.self) { try source.prefixingOwnNames(with: "a_") }
    #expect(error?.name == "a_vec")
    #expect(throws: Never.self) { try source.prefixingOwnNames(with: "b_") }
  }

  /// Comments and strings keep their words.
  @Test func renamingLeavesCommentsAndStrings() {
    let text = "// vec\nvec vec_exp(vec x); /* vec */ \"vec\\\"vec\" vec2 0x1vec"
    #expect(
      CText.renaming(["vec": "a_vec"], in: text)
        == "// vec\na_vec vec_exp(a_vec x); /* vec */ \"vec\\\"vec\" vec2 0x1vec")
  }

  @Test func emittingTwiceGivesTheSameText() throws {
    for entry in Catalog.standard.entries {
      for target in Target.general {
        let compiler = Compiler(target: target)
        #expect(try compiler.lower(entry.kernel).source == compiler.lower(entry.kernel).source)
      }
    }
  }

  static let native = CCompiler.all.filter { $0.architecture == HostCPU.current.architecture }

  /// The flags that allow other roundings and that a compiler announces.
  static func announced(by compiler: CCompiler) -> [[String]] {
    let both = [["-ffast-math"], ["-ffinite-math-only"], ["-Ofast", "-Wno-deprecated"]]
    guard !compiler.command.hasPrefix("clang") else { return both }
    return both + [
      ["-freciprocal-math"], ["-fno-signed-zeros"], ["-funsafe-math-optimizations"],
      ["-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"],
    ]
  }

  /// A file says which flags it needs where x87 arithmetic is the default, and they are enough.
  @Test(.enabled(if: HostCPU.current.architecture == "x86_64"), arguments: native)
  func theFlagsThatThirtyTwoBitsNeedAreNamed(compiler: CCompiler) throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let source = try Compiler(target: .portable).lower(Kernel("narrow", x.rmsNorm())).source
    try withTemporaryDirectory { directory in
      try Data(source.source.utf8).write(to: directory.appendingPathComponent("narrow.c"))
      try Data(source.header.utf8).write(
        to: directory.appendingPathComponent("\(source.name).h"))
      // Without the C library's headers, which need not be there for 32 bits.
      let command = Self.strict.dropLast() + ["-m32", "-ffreestanding", "-c", "narrow.c"]
      let failure = #expect(throws: Command.Failure.self) {
        try compiler.run(command + ["-mno-sse"], in: directory)
      }
      let message = try #require(
        failure?.description.split(separator: "\n").first { $0.contains("on 32-bit x86") })
      let flags = try #require(message.split(separator: "compile it with ").last)
        .split(separator: " ").map { $0.filter { $0 != "\"" } }
      try compiler.run(command + ["-mno-sse"] + flags, in: directory)
    }
  }

  @Test(arguments: native)
  func flagsThatChangeBitsAreRefused(compiler: CCompiler) throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let source = try Compiler(target: .portable).lower(Kernel("fast", x.rmsNorm())).source
    try withTemporaryDirectory { directory in
      try Data(source.source.utf8).write(to: directory.appendingPathComponent("fast.c"))
      for flags in Self.announced(by: compiler) {
        let failure = #expect(throws: Command.Failure.self, "\(flags)") {
          try compiler.run(flags + ["-c", "fast.c"], in: directory)
        }
        #expect(failure?.description.contains("compile it without -ffast-math") == true)
      }
      // What changes no bit is welcome.
      try compiler.run(["-fno-math-errno", "-fno-trapping-math", "-c", "fast.c"], in: directory)
    }
  }
}
