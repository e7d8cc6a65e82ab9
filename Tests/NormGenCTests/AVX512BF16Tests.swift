import Foundation
import NormGen
import NormGenC
import NormGenTestSupport
import Testing

/// What AVX512_BF16 adds stands in the files of its own target and in no other: no flag decides.
@Suite struct AVX512BF16Tests {
  static let compilers = CCompiler.all.filter { $0.compiles(.avx512bf16) }

  /// The object code of a kernel with bf16 dot products and a bf16 output.
  private func instructions(
    _ target: Target, _ compiler: CCompiler, flags: [String] = []
  ) throws -> String {
    let entry = try #require(Catalog.standard["linear_gelu_rms_norm_768_3072_bf16"])
    let source = try Compiler(target: target).lower(entry.kernel).source
    return try withTemporaryDirectory { directory in
      try Data(source.source.utf8).write(to: directory.appendingPathComponent("k.c"))
      try compiler.run(["-std=c11", "-O2", "-w", "-c", "k.c"] + flags, in: directory)
      return try Command.output("/usr/bin/env", ["objdump", "-d", "k.o"], in: directory)
    }
  }

  @Test(arguments: compilers)
  func filesHaveTheInstructionsWithoutAFlag(compiler: CCompiler) throws {
    let code = try instructions(.avx512bf16, compiler)
    #expect(code.contains("vdpbf16ps"))
    #expect(code.contains("vcvtne2ps2bf16"))
  }

  @Test(arguments: compilers)
  func filesForOtherProcessorsNeverHaveThem(compiler: CCompiler) throws {
    let code = try instructions(.avx512, compiler, flags: ["-mavx512bf16"])
    #expect(code.contains("zmm"))
    #expect(!code.contains("vdpbf16ps"))
    #expect(!code.contains("vcvtne2ps2bf16"))
  }

  @Test func theTargetsShareWhatIsNotItsOwn() throws {
    let library = try SupportLibrary.of(target: .avx512bf16)
    let shared = try SupportLibrary.of(target: .avx512)
    #expect(library.names.isSuperset(of: shared.names))
    let reached = [library, shared].map { $0.definitions(reachedFrom: "vec_exp") }
    #expect(reached[0] == reached[1] && !reached[0].isEmpty)
    let dot = library.definitions(reachedFrom: "bf16_dot")
    #expect(dot.contains("dpbf16ps") && !dot.contains("bf16_dot_step("))
    #expect(shared.definitions(reachedFrom: "bf16_dot").contains("bf16_dot_step("))
  }
}
