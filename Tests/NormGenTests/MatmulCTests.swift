import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// The emitted files of kernels with matmuls are complete C: other compilers accept them without a
/// warning and they need no library.
@Suite struct MatmulCTests {
  static let strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC"]

  private func graph(
    _ name: String, terms: Int = 515, columns: Int = 33,
    _ type: DType, _ layout: Matmul.WeightLayout
  ) throws -> Graph {
    try #require(MatmulSpecimen.named(name)).graph(
      MatmulSpecimen.Shape(
        terms: terms, columns: columns, types: Specimen.Types(input: type, gain: type),
        layout: layout))
  }

  /// The sources of some kernels, one of them with weights as they are.
  private func sources(_ target: Target) throws -> [Lowering] {
    let compiler = Compiler(target: target)
    var plain = compiler
    plain.schedule.matmul = MatmulSchedule(packsWeights: false)
    return [
      try compiler.lower(graph("gelu_residual_layer", .f32, .inOut)),
      try compiler.lower(graph("mlp", .bf16, .outIn)),
      try compiler.lower(graph("same_weights_twice", .f16, .outIn)),
      try compiler.lower(graph("blocks_gate_up", .f32, .outIn)),
      try plain.lower(graph("qkv", .bf16, .inOut)), try plain.lower(graph("gru", .f32, .outIn)),
    ]
  }

  private func write(_ lowering: Lowering, in directory: URL) throws {
    let source = lowering.source
    for (text, suffix) in [(source.source, "c"), (source.header, "h")] {
      try Data(text.utf8).write(
        to: directory.appendingPathComponent("\(source.name).\(suffix)"))
    }
  }

  @Test(arguments: CCompiler.all, Target.general)
  func filesCompileWithoutWarningsAndNeedNoLibrary(compiler: CCompiler, target: Target) throws {
    guard compiler.compiles(target) else { return }
    try withTemporaryDirectory { directory in
      let lowerings = try sources(target)
      for lowering in lowerings { try write(lowering, in: directory) }
      let names = lowerings.map(\.source.name)
      let user = names.map { "#include \"\($0).h\"\n" }.joined()
      try Data(user.utf8).write(to: directory.appendingPathComponent("user.c"))
      try compiler.run(Self.strict + ["-fsyntax-only", "user.c"], in: directory)
      for (number, level) in ["-O0", "-O1", "-O2", "-O3"].enumerated() {
        // One file at every level, each at one.
        let files = Set([names[1], names[(number + 2) % names.count], names[number]]).sorted()
        try compiler.run(Self.strict + [level, "-c"] + files.map { "\($0).c" }, in: directory)
        // Without optimization compilers call the library to clear an array.
        guard level != "-O0" else { continue }
        let symbols = try Command.output(
          "/usr/bin/env", ["nm", "-u"] + files.map { "\($0).o" }, in: directory)
        let undefined = symbols.split(separator: "\n").filter { $0.contains(" U ") }
          .filter { !$0.contains("_GLOBAL_OFFSET_TABLE_") }
        #expect(undefined == [], "\(compiler) \(level)")
      }
    }
  }
}
