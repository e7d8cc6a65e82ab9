import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Emitted files are complete C: other compilers accept them without a warning, they need no
/// library, and they compute the bits that the in-process compiler's code computes.
@Suite struct EmittedCTests {
  static let strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC"]

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

  @Test(arguments: CCompiler.all, Target.all)
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

  @Test func emittingTwiceGivesTheSameText() throws {
    for entry in Catalog.standard.entries {
      for target in Target.all {
        let compiler = Compiler(target: target)
        #expect(try compiler.lower(entry.kernel).source == compiler.lower(entry.kernel).source)
      }
    }
  }

  /// Calls `<name>_entry` of a shared library that `gcc` or `clang` built.
  private func outputs(
    _ lowering: Lowering, _ inputs: [String: HostTensor], rows: Int, _ compiler: CCompiler,
    _ flags: [String]
  ) throws -> [String: HostTensor] {
    typealias Entry =
      @convention(c) (
        Int64, UnsafePointer<UnsafeMutableRawPointer?>, UnsafePointer<Int64>
      ) -> Void
    return try withTemporaryDirectory { directory in
      let source = lowering.source
      try Data(source.source.utf8).write(to: directory.appendingPathComponent("kernel.c"))
      try compiler.run(
        flags + ["-std=c11", "-fPIC", "-shared", "kernel.c", "-o", "kernel.so"], in: directory)
      let library = try #require(
        dlopen(directory.appendingPathComponent("kernel.so").path, RTLD_NOW | RTLD_LOCAL))
      defer { dlclose(library) }
      let entry = unsafeBitCast(
        try #require(dlsym(library, source.entryName)), to: Entry.self)
      var outputs: [String: HostTensor] = [:]
      var blocks: [UnsafeMutableRawBufferPointer] = []
      defer { for block in blocks { block.deallocate() } }
      for buffer in lowering.program.buffers {
        let count = (buffer.shape.hasRows ? rows : 1) * buffer.shape.elementsPerRow
        let block = UnsafeMutableRawBufferPointer.allocate(
          byteCount: count * buffer.storage.byteCount, alignment: 64)
        blocks.append(block)
        inputs[buffer.name]?.withUnsafeBytes { block.copyBytes(from: $0) }
      }
      entry(
        Int64(rows), blocks.map(\.baseAddress),
        lowering.program.buffers.map { Int64($0.shape.elementsPerRow) })
      for (buffer, block) in zip(lowering.program.buffers, blocks) where buffer.isOutput {
        outputs[buffer.name] = try HostTensor(
          bytes: UnsafeRawBufferPointer(block), shape: buffer.shape.extents(rows: rows),
          buffer.storage)
      }
      return outputs
    }
  }

  static let native = CCompiler.all.filter { $0.architecture == HostCPU.current.architecture }

  @Test(arguments: native, Target.all.filter { HostCPU.current.supports($0) })
  func otherCompilersGiveTheSameBits(compiler: CCompiler, target: Target) throws {
    let x = Tensor.input("x", [.rows, 301], .bf16)
    let gain = Tensor.input("gain", [301], .f16)
    let shift = Tensor.input("shift", [301], .f32)
    let kernels = [
      Kernel("rms", x.rmsNorm(gain: gain, semantics: .llama)),
      Kernel("layer", x.gelu().layerNorm(gain: gain, shift: shift).rounded(to: .f16)),
      Kernel("softmax", (x - x.rowMaximum()).exp() / (x - x.rowMaximum()).exp().sum()),
      RandomGraph(seed: 5).kernel, RandomGraph(seed: 8).kernel,
    ]
    for kernel in kernels {
      let normgen = Compiler(target: target)
      let lowering = try normgen.lower(kernel)
      let inputs = try RandomInputs.tensors(for: lowering.graph, rows: 5, seed: 6)
      let expected = try normgen.compile(lowering)(inputs)
      for flags in [["-O0"], ["-O2"], ["-O3", "-march=native"]] {
        let found = try outputs(lowering, inputs, rows: 5, compiler, flags)
        let difference = firstDifference(expected, found)
        #expect(difference == nil, "\(kernel.name), \(flags): \(difference ?? "")")
      }
    }
  }

  @Test(arguments: native)
  func fastMathIsRefused(compiler: CCompiler) throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let source = try Compiler(target: .portable).lower(Kernel("fast", x.rmsNorm())).source
    try withTemporaryDirectory { directory in
      try Data(source.source.utf8).write(to: directory.appendingPathComponent("fast.c"))
      let failure = #expect(throws: Command.Failure.self) {
        try compiler.run(["-ffast-math", "-c", "fast.c"], in: directory)
      }
      #expect(failure?.description.contains("compile it without -ffast-math") == true)
    }
  }
}
