import Foundation
import NormGenCheck
import NormGenEmulation
import NormGenJIT
import NormGenTestSupport
import Testing

@testable import NormGen

/// Emitted C gives the same bits whoever compiles it: gcc and Clang, at every level, against the
/// in-process compiler.
@Suite struct CompilerBitsTests {
  /// A compiler with a level of optimization.
  struct Build: Sendable, CustomTestStringConvertible {
    let compiler: CCompiler
    let flags: [String]

    var testDescription: String { ([compiler.command] + flags).joined(separator: " ") }

    /// Flags that allow other roundings, which Clang does not announce and a file switches off.
    private static func switchedOff(for compiler: CCompiler) -> [[String]] {
      guard compiler.command == "clang" else { return [] }
      return [
        ["-O3", "-freciprocal-math"], ["-O3", "-fno-signed-zeros"], ["-O3", "-fapprox-func"],
        ["-O3", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"],
      ]
    }

    static let all: [Build] = CCompiler.all
      .filter { $0.architecture == HostCPU.current.architecture }
      .flatMap { compiler in
        let levels = [["-O1"], ["-O2"], ["-O3"], ["-O0"], ["-O3", "-march=native"]]
        return (levels + switchedOff(for: compiler)).map { Build(compiler: compiler, flags: $0) }
      }

    /// The kernels as this compiler's code: its objects are linked like those of the in-process
    /// compiler.
    func kernels(_ lowerings: [Lowering], edit: (String) -> String) throws -> [CompiledKernel] {
      try withTemporaryDirectory { directory in
        let names = lowerings.indices.map { "k\($0)" }
        for (name, lowering) in zip(names, lowerings) {
          try Data(edit(lowering.source.source).utf8).write(
            to: directory.appendingPathComponent("\(name).c"))
        }
        try compiler.run(
          flags + ["-std=c11", "-fPIC", "-w", "-c"] + names.map { "\($0).c" }, in: directory)
        return try zip(names, lowerings).map { name, lowering in
          let object = try Data(contentsOf: directory.appendingPathComponent("\(name).o"))
          return try CompiledKernel(
            lowering: lowering, object: LoadedObject(object: Array(object), name: name),
            cacheStatus: .disabled)
        }
      }
    }
  }

  /// Kernels of every kind; neighbours meet other levels.
  static func graphs() throws -> [Graph] {
    let types = Specimen.Types.all
    func specimen(_ name: String, _ types: Specimen.Types) throws -> Graph {
      try #require(Specimen.named(name)).kernel(77, types, epsilon: 1e-5).graph()
    }
    func product(
      _ name: String, _ types: Specimen.Types, _ layout: Matmul.WeightLayout
    ) throws -> Graph {
      try #require(MatmulSpecimen.named(name)).graph(
        MatmulSpecimen.Shape(terms: 515, columns: 33, types: types, layout: layout))
    }
    func rowSum(_ name: String, _ types: Specimen.Types) throws -> Graph {
      try #require(RowSumTests.subjects.first { $0.name == name }).graph(37, types)
    }
    let x = Tensor.input("x", [.rows, 131], .bf16)
    let w = Tensor.input("w", [131, 35], .bf16)
    let dot = Kernel("bf16_dot", x.matmul(w, accumulate: .bf16Dot).geluTanh())
    let row = Tensor.input("x", [.rows, 768], .f32)
    /// Products by weights in every format of blocks of so many elements.
    func blocks(of elements: Int) throws -> Graph {
      let formats = BlockFormat.ggml.filter { $0.elementCount == elements }
      return try Kernel(
        "blocks_of_\(elements)",
        outputs: formats.map { format in
          let w = Tensor.input("w_\(format.name)", [17, 768], format)
          return .init("y_\(format.name)", row.matmul(w, layout: .outIn))
        }
      ).graph()
    }
    return try [
      specimen("rms_llama", types[1]), specimen("rms_fused", types[0]),
      specimen("layer_fused", types[2]), specimen("layer_torch", types[1]),
      specimen("partial_count", types[0]), specimen("partial_layer", types[3]),
      specimen("residual_rounded", types[1]), specimen("residual_unrounded", types[4]),
      specimen("quantized_by_division", types[0]), specimen("stored_as_integers", types[5]),
      specimen("bias_gelu_norm", types[0]), specimen("softmax", types[2]),
      product("gelu_residual_layer", types[0], .inOut), product("mlp", types[1], .outIn),
      dot.graph(), rowSum("rms_gradient", types[0]), rowSum("linear_gradient", types[1]),
      rowSum("outer", types[5]), blocks(of: 32), blocks(of: 256),
      integerProducts(),
    ]
  }

  /// Products of integers with quants of 4 and 8 bits, and zero points.
  private static func integerProducts() throws -> Graph {
    let q = Tensor.input("q", [.rows, 256], .i8)
    let s = Tensor.input("s", [.rows, 8], .f32)
    let formats = ["q8_0", "u4_g32"].compactMap(BlockFormat.named)
    return try Kernel(
      "integer_products",
      outputs: formats.map { format in
        let w = Tensor.input("w_\(format.name)", [17, 256], format)
        return .init(
          "y_\(format.name)", q.matmul(w, layout: .outIn, accumulate: .int8, scale: s))
      }
    ).graph()
  }

  /// With no flag that selects instructions, also where this machine lacks them; of the other targets there
  /// are such kernels in `Generated`.
  @Test(arguments: CCompiler.all.indices)
  func everyCompilerCompilesProductsOfIntegers(index: Int) throws {
    let compiler = CCompiler.all[index]
    let graph = try Self.integerProducts()
    for target in [Target.portable, .neon, .avx512] where compiler.compiles(target) {
      let source = try Compiler(target: target).lower(graph).source.source
      try withTemporaryDirectory { directory in
        try Data(source.utf8).write(to: directory.appendingPathComponent("k.c"))
        try compiler.run(
          ["-O2", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "k.c"],
          in: directory)
      }
    }
  }

  /// The first kernel whose bits differ from the in-process compiler's.
  ///
  /// - Parameter position: Chooses a third of the kernels; all are chosen in a sweep.
  private func difference(
    _ build: Build, _ target: Target, position: Int, edit: (String) -> String = { $0 }
  ) throws -> String? {
    let compiler = Compiler(target: target)
    let lowerings = try Self.graphs().enumerated()
      .filter { Targets.sweeps || ($0.offset + position) % 3 == 0 }
      .map { try compiler.lower($0.element) }
    for (kernel, lowering) in zip(try build.kernels(lowerings, edit: edit), lowerings) {
      let inputs = try RandomInputs.tensors(for: lowering.graph, rows: 261, seed: 6)
      let expected = try compiler.compile(lowering)(inputs)
      for threads in [1, 3] {
        if let difference = firstDifference(expected, try kernel(inputs, threads: threads)) {
          return "\(lowering.graph.name): \(difference)"
        }
      }
    }
    return nil
  }

  @Test(arguments: Build.all.indices, Targets.native)
  func everyCompilerGivesTheSameBits(index: Int, target: Target) throws {
    let place = try #require(Targets.native.firstIndex(of: target))
    let difference = try difference(Build.all[index], target, position: index + place)
    #expect(difference == nil, "\(difference ?? "")")
  }

  /// With AVX-512 gcc has operations of its own where values become bf16; Float32 of all kinds.
  @Test(.enabled(if: Emulator.bochsX86_64.missingTool == nil))
  func gccGivesTheSameBitsWithAVX512() throws {
    let graph = try GraphParser.graphs(
      in: """
        kernel halves(x: f32[rows, 259], h: bf16[rows, 259]) {
          product = x * h
        } -> y: bf16 = x * 1.0, z: f32 = h * 1.0, w: bf16 = product
        """)[0]
    let rows = 40
    var generator = SeededGenerator(seed: 7)
    func random(_ storage: DType) throws -> HostTensor {
      let bytes = (0..<rows * 259 * storage.byteCount).map { _ in
        UInt8(truncatingIfNeeded: generator.next() >> 32)
      }
      // Infinities and NaN in the first row: the exponents of all its elements are the greatest.
      let special = bytes.enumerated().map { index, byte in
        guard index < 259 * storage.byteCount else { return byte }
        switch index % storage.byteCount {
        case storage.byteCount - 1: return byte | 0x7f
        case storage.byteCount - 2: return index % 3 == 0 ? 0x80 : byte | 0x80
        default: return index % 5 == 0 ? 0 : byte
        }
      }
      return try special.withUnsafeBytes {
        try HostTensor(bytes: $0, shape: [rows, 259], storage)
      }
    }
    let inputs = try ["x": random(.f32), "h": random(.bf16)]
    let expected = try Compiler(target: .portable).compile(graph)(inputs)
    let lowering = try Compiler(target: .avx512).lower(graph)
    let buffers = try lowering.parameters.map { buffer in
      let tensor = try #require(inputs[buffer.name] ?? expected[buffer.name])
      let bytes = tensor.withUnsafeBytes { Array($0) }
      return EmulatedBuffer(
        bytes: buffer.isOutput ? bytes.map { _ in 0 } : bytes, rowStride: 259)
    }
    let kernel = EmulatedLowering(lowering, source: .c(lowering.source.source))
    let results = try Emulator.bochsX86_64.run(
      kernels: [kernel.kernel], calls: [kernel.call(kernel: 0, rows: rows, buffers: buffers)])
    let result = try #require(results.first)
    for (buffer, bytes) in zip(lowering.parameters, result.buffers) where buffer.isOutput {
      let tensor = try bytes.withUnsafeBytes {
        try HostTensor(bytes: $0, shape: [rows, 259], buffer.storage)
      }
      let difference = try #require(expected[buffer.name]).firstDifference(from: tensor)
      #expect(difference == nil, "\(buffer.name): \(difference ?? "")")
    }
  }

  /// A compiler that rounds a product before it is added is seen.
  @Test(.enabled(if: HostCPU.current.supports(.avx2)))
  func twoRoundingsForOneAreSeen() throws {
    let build = try #require(Build.all.first)
    let difference = try difference(build, .avx2, position: 1) { source in
      source.replacing(
        "static inline vec multiply_add(",
        with: """
          static inline vec multiply_add(vec a, vec b, vec c) { return a * b + c; }
          static inline vec unused_multiply_add(
          """)
    }
    #expect(difference != nil)
  }
}
