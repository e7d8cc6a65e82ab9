import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// The emitted files of kernels with matmuls are complete C: other compilers accept them without a
/// warning, they need no library, compute the same bits and touch nothing outside their memory.
@Suite struct MatmulCTests {
  static let strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC"]
  static let native = CCompiler.all.filter { $0.architecture == HostCPU.current.architecture }

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
    plain.schedule = Schedule(matmul: MatmulSchedule(packsWeights: false))
    return [
      try compiler.lower(graph("gelu_residual_layer", .f32, .inOut)),
      try compiler.lower(graph("mlp", .bf16, .outIn)),
      try compiler.lower(graph("same_weights_twice", .f16, .outIn)),
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

  @Test(arguments: CCompiler.all, Target.all)
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

  /// A C program that runs a kernel on memory of its own from the heap, each block no longer than
  /// it must be, and writes the outputs.
  private func program(_ lowering: Lowering, rows: Int, parts: Int) -> String {
    let name = lowering.source.name
    let buffers = lowering.program.buffers
    var lines = ["#include <stdio.h>", "#include <stdlib.h>", "#include \"\(name).h\"", ""]
    lines += ["int main(void) {", "  void *buffers[\(buffers.count)];"]
    lines.append("  int64_t strides[\(buffers.count)];")
    for (index, buffer) in buffers.enumerated() {
      let count = (buffer.shape.hasRows ? rows : 1) * buffer.shape.elementsPerRow
      let bytes = count * buffer.storage.byteCount
      lines.append("  buffers[\(index)] = malloc(\(bytes));")
      lines.append("  strides[\(index)] = \(buffer.shape.elementsPerRow);")
      if !buffer.isOutput {
        lines.append("  if (fread(buffers[\(index)], 1, \(bytes), stdin) != \(bytes)) return 2;")
      }
      guard
        let product = lowering.program.multiplications.first(where: { product in
          product.weights == buffer.name && product.isPacked
        })
      else { continue }
      let packed = product.packedElements(panelColumns: lowering.target.panelColumns)
      lines += [
        "  void *packed\(index) = malloc(\(packed * buffer.storage.byteCount));",
        "  \(name)_pack_\(buffer.name)(buffers[\(index)], packed\(index));",
        "  free(buffers[\(index)]);", "  buffers[\(index)] = packed\(index);",
      ]
    }
    lines += [
      "  void *scratch = malloc((size_t)\(name)_scratch_bytes(\(rows), \(parts)));",
      "  for (int64_t phase = 0; phase < \(name)_phases(\(rows), \(parts)); ++phase) {",
      "    for (int64_t part = 0; part < \(parts); ++part) {",
      "      \(name)_entry(\(rows), buffers, strides, scratch, phase, part, \(parts));", "    }",
      "  }", "  free(scratch);",
    ]
    for (index, buffer) in buffers.enumerated() {
      if buffer.isOutput {
        let bytes = rows * buffer.shape.elementsPerRow * buffer.storage.byteCount
        lines.append("  fwrite(buffers[\(index)], 1, \(bytes), stdout);")
      }
      lines.append("  free(buffers[\(index)]);")
    }
    return (lines + ["  return 0;", "}", ""]).joined(separator: "\n")
  }

  /// What the program of a kernel with one output writes.
  private func output(
    _ lowering: Lowering, _ inputs: [String: HostTensor], rows: Int, parts: Int,
    _ compiler: CCompiler, _ flags: [String]
  ) throws -> HostTensor {
    try withTemporaryDirectory { directory in
      try write(lowering, in: directory)
      try Data(program(lowering, rows: rows, parts: parts).utf8).write(
        to: directory.appendingPathComponent("main.c"))
      var bytes: [UInt8] = []
      for buffer in lowering.program.buffers where !buffer.isOutput {
        try #require(inputs[buffer.name]).withUnsafeBytes { bytes += $0 }
      }
      try Data(bytes).write(to: directory.appendingPathComponent("inputs"))
      try compiler.run(
        ["-std=c11"] + flags + ["main.c", "\(lowering.source.name).c", "-o", "program"],
        in: directory)
      try Command.output(
        "/bin/sh", ["-c", "./program < inputs > outputs"], in: directory)
      let result = try Data(contentsOf: directory.appendingPathComponent("outputs"))
      let buffer = try #require(lowering.program.buffers.last)
      return try result.withUnsafeBytes {
        try HostTensor(bytes: $0, shape: buffer.shape.extents(rows: rows), buffer.storage)
      }
    }
  }

  @Test(arguments: native, Targets.native)
  func otherCompilersGiveTheSameBits(compiler: CCompiler, target: Target) throws {
    let normgen = Compiler(target: target)
    for (name, type, layout) in [
      ("mlp", DType.bf16, Matmul.WeightLayout.outIn), ("gelu_residual_layer", .f32, .inOut),
    ] {
      let lowering = try normgen.lower(graph(name, type, layout))
      let inputs = try RandomInputs.tensors(for: lowering.graph, rows: 7, seed: 6)
      let expected = try #require(normgen.compile(lowering)(inputs)["y"])
      for flags in [["-O0"], ["-O2"], ["-O3", "-march=native"]] {
        let found = try output(lowering, inputs, rows: 7, parts: 1, compiler, flags)
        let difference = expected.firstDifference(from: found)
        #expect(difference == nil, "\(name), \(compiler) \(flags): \(difference ?? "")")
      }
    }
  }

  @Test(
    .enabled(if: !native.isEmpty), arguments: [Target.portable, .avx2], [1, 3])
  func sanitizersFindNothing(target: Target, parts: Int) throws {
    guard HostCPU.current.supports(target), let gcc = Self.native.first else { return }
    for packs in [true, false] {
      var normgen = Compiler(target: target)
      normgen.schedule = Schedule(matmul: MatmulSchedule(blockRows: 6, packsWeights: packs))
      let lowering = try normgen.lower(graph("mlp", terms: 45, columns: 33, .bf16, .inOut))
      let inputs = try RandomInputs.tensors(for: lowering.graph, rows: 11, seed: 6)
      let expected = try #require(normgen.compile(lowering)(inputs)["y"])
      let found = try output(
        lowering, inputs, rows: 11, parts: parts, gcc,
        ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"])
      #expect(expected.firstDifference(from: found) == nil)
    }
  }
}
