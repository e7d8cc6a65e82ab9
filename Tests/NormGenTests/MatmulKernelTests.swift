@testable import NormGen
import NormGenCheck
import NormGenEmulation
import NormGenTestSupport
import Testing

/// Kernels with matmuls: within the oracle's bound, and the same bits on every target, for every
/// number of rows and by every schedule.
@Suite struct MatmulKernelTests {
  typealias Shape = MatmulSpecimen.Shape

  /// None, one, and what tiles of 14, 8, 6, 4, 2 and 1 rows and chunks of them leave over.
  static let rows = [0, 1, 2, 3, 7, 13, 14, 15, 17, 37, 113]
  /// Around vectors, slivers of columns and blocks of the canonical order.
  static let extents = [1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 48, 64, 100, 129, 511, 512, 513, 1030]

  /// Integers may be rows, not weights.
  static let types = Specimen.Types.all.filter(\.gain.holdsFractions)
  static let layouts = Matmul.WeightLayout.allCases

  /// The leading rows of a call's tensors; every row takes as many bytes.
  private func prefix(
    _ tensors: [String: HostTensor], of total: Int, rows: Int, _ hasRows: (String) -> Bool
  ) throws -> [String: HostTensor] {
    try tensors.reduce(into: [:]) { result, entry in
      let (name, tensor) = entry
      guard hasRows(name) else {
        result[name] = tensor
        return
      }
      result[name] = try tensor.withUnsafeBytes { bytes in
        try HostTensor(
          bytes: UnsafeRawBufferPointer(rebasing: bytes[..<(tensor.byteCount / total * rows)]),
          shape: [rows] + tensor.shape.dropFirst(), tensor.storage)
      }
    }
  }

  /// Executes a kernel for the greatest of `rows`, judges it, and compares all else with it.
  private func check(
    _ graph: Graph, rows: [Int], schedules: [MatmulSchedule?] = [nil],
    targets: [Target] = Targets.native
  ) throws {
    let total = try #require(rows.max())
    let inputs = try RandomInputs.tensors(for: graph, rows: total, seed: UInt64(graph.name.count))
    let rowInputs = Set(
      graph.inputs.filter { graph[$0].shape.hasRows }.compactMap { graph[$0].inputName })
    var expected: [String: HostTensor]?
    for target in targets {
      for schedule in schedules {
        var compiler = Compiler(target: target)
        compiler.schedule.matmul = schedule
        let lowering = try compiler.lower(graph)
        let kernel = try compiler.compile(lowering)
        if expected == nil {
          let outputs = try kernel(inputs)
          expected = outputs
          let check = try KernelCheck(
            KernelCall(lowering, rows: total, inputs: inputs), outputs: outputs)
          for output in check.outputs {
            #expect(output.agreement.count == outputs[output.name]?.count)
            #expect(output.agreement.vacuous == 0)
            #expect(output.agreement.passes, "'\(output.name)': \(output.agreement)\n\(graph)")
          }
        }
        for count in rows {
          let outputs = try kernel(prefix(inputs, of: total, rows: count, rowInputs.contains))
          let reference = try prefix(#require(expected), of: total, rows: count) { _ in true }
          let difference = firstDifference(reference, outputs)
          #expect(difference == nil, "\(target), \(count) rows, \(schedule as Any)\n\(graph)")
        }
      }
    }
  }

  @Test(arguments: MatmulSpecimen.all)
  func specimenAgreesWithTheOracleOnNativeTargets(specimen: MatmulSpecimen) throws {
    let seed = specimen.name.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xffff }
    // Several slivers of columns, and several blocks of terms.
    for (number, (terms, columns)) in [(33, 50), (513, 31)].enumerated() {
      let shape = Shape(
        terms: terms, columns: specimen.hasHeads ? 128 : columns,
        types: Self.types[(seed + number) % Self.types.count],
        layout: Self.layouts[(seed / 7 + number) % 2])
      try check(
        specimen.graph(shape), rows: number == 0 ? Self.rows : [1, 7, 17],
        targets: number == 0 ? Targets.native : Targets.native.suffix(2))
    }
  }

  @Test(arguments: [64, 96, 128, 256])
  func headsOfEverySizeAgree(size: Int) throws {
    let specimen = try #require(MatmulSpecimen.named("heads"))
    let shape = Shape(
      terms: 100, columns: 3 * size, types: Self.types[1],
      layout: size % 64 == 0 ? .outIn : .inOut, head: size)
    try check(specimen.graph(shape), rows: [1, 15])
  }

  @Test(arguments: extents.indices)
  func everyBoundaryExtentAgrees(index: Int) throws {
    let specimen = try #require(MatmulSpecimen.named("product"))
    // Each extent once as terms and once as columns, beside another one.
    let shape = Shape(
      terms: Self.extents[index],
      columns: Self.extents[(7 * index + 5) % Self.extents.count],
      types: Self.types[index % Self.types.count], layout: Self.layouts[index % 2])
    try check(specimen.graph(shape), rows: Self.rows)
  }

  static let schedules: [MatmulSchedule?] = [
    nil, MatmulSchedule(packsWeights: false), MatmulSchedule(chunkRows: 14),
    MatmulSchedule(chunkRows: 28, packsWeights: false),
  ]

  @Test(
    arguments: ["product", "gelu_residual_layer", "mlp", "weights_and_rows"], [DType.f32, .bf16])
  func schedulesGiveTheSameBits(name: String, type: DType) throws {
    let specimen = try #require(MatmulSpecimen.named(name))
    let shape = Shape(
      terms: 530, columns: 45, types: Specimen.Types(input: type, gain: type),
      layout: type == .f32 ? .inOut : .outIn)
    try check(specimen.graph(shape), rows: [1, 14, 29, 57], schedules: Self.schedules)
  }

  /// The licence has its own exact model, which every target follows.
  private func licensed(_ shape: Shape) throws -> Graph {
    let parts = MatmulSpecimen.Parameters(shape: shape, epsilon: 0.8765)
    let weights = parts.weights("w", parts.terms, parts.columns)
    let product = parts.x.matmul(weights, layout: shape.layout, accumulate: .bf16Dot)
    let normed = parts.normedInput.rounded(to: .bf16).matmul(
      weights, layout: shape.layout, accumulate: .bf16Dot)
    return try Kernel(
      "licensed_\(shape)",
      outputs: [
        Kernel.Output("y", product, as: .f32), Kernel.Output("z", parts.rms(normed), as: .bf16),
      ]
    ).graph()
  }

  @Test(arguments: [(1, 1), (2, 31), (33, 32), (512, 17), (513, 33), (1030, 5)])
  func bf16DotProductsFollowTheirModel(terms: Int, columns: Int) throws {
    let shape = Shape(
      terms: terms, columns: columns, types: Self.types[1],
      layout: columns % 2 == 0 ? .inOut : .outIn)
    let graph = try licensed(shape)
    try check(
      graph, rows: [0, 1, 2, 15], schedules: [nil, MatmulSchedule(packsWeights: false)])
    guard terms == 33, Targets.usable.contains(.neon) else { return }
    let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 3)
    try Targets.check(
      [Targets.Call(graph: graph, rows: 3, inputs: inputs)], bounded: true,
      targets: [.portable, .neon])
  }

  /// NEON's kernels, packed by themselves, on the emulated machine.
  @Test(.enabled(if: Targets.usable.contains(.neon)))
  func specimensAgreeOnNEON() throws {
    var calls: [Targets.Call] = []
    for (number, specimen) in MatmulSpecimen.all.enumerated() {
      let shape = Shape(
        terms: number % 4 == 0 ? 515 : 37, columns: specimen.hasHeads ? 128 : 29,
        types: Self.types[number % Self.types.count], layout: Self.layouts[number / 2 % 2])
      let graph = try specimen.graph(shape)
      for rows in [0, 1, 7] {
        let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
        calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
      }
    }
    try Targets.check(calls, bounded: true, targets: [.portable, .neon])
  }

  @Test(.enabled(if: Targets.usable.contains(.neon)), arguments: [1, 2, 3, 5])
  func partsOfAnEmulatedCallGiveTheSameBits(parts: Int) throws {
    let specimen = try #require(MatmulSpecimen.named("mlp"))
    let graph = try specimen.graph(Shape(terms: 40, columns: 70))
    var compiler = Compiler(target: .neon)
    compiler.schedule.matmul = MatmulSchedule(chunkRows: 8, packsWeights: parts != 3)
    let lowering = try compiler.lower(graph)
    for rows in [1, 8, 20] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 5)
      let expected = try Compiler(target: .portable).compile(graph)(inputs)
      let outputs = try LaidOutCall(
        lowering: lowering, rows: rows, inputs: inputs, gap: 3, parts: parts
      ).outputs()
      let difference = firstDifference(expected, outputs)
      #expect(difference == nil, "\(rows) rows: \(difference ?? "")")
    }
  }

  /// The machine that a processor without AVX-512 would need.
  @Test(.enabled(if: Emulator.bochsX86_64.missingTool == nil))
  func aKernelWithoutAnOperatingSystemGivesTheSameBits() throws {
    let graph = try #require(MatmulSpecimen.named("gelu_residual_layer")).graph(
      Shape(terms: 37, columns: 40))
    let compiler = Compiler(target: .avx512)
    let lowering = try compiler.lower(graph)
    let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 4)
    let expected = try #require(Compiler(target: .portable).compile(graph)(inputs)["y"])
    let buffers = try lowering.parameters.map { buffer in
      let extent = buffer.shape.elementsPerRow
      guard !buffer.isOutput else {
        return EmulatedBuffer(
          bytes: [UInt8](repeating: 0, count: expected.byteCount), rowStride: extent)
      }
      return EmulatedBuffer(
        bytes: try #require(inputs[buffer.name]).withUnsafeBytes { Array($0) }, rowStride: extent)
    }
    let kernel = try EmulatedLowering(lowering, parts: 2, compiler: compiler)
    let results = try Emulator.bochsX86_64.run(
      kernels: [kernel.kernel], calls: [kernel.call(kernel: 0, rows: 3, buffers: buffers)])
    let result = try #require(results.first)
    #expect(result.outOfBounds.isEmpty)
    let y = try result.buffers[lowering.parameters.count - 1].withUnsafeBytes {
      try HostTensor(bytes: $0, shape: expected.shape, .f32)
    }
    let difference = expected.firstDifference(from: y)
    #expect(difference == nil, "\(difference ?? "")")
  }

  @Test(arguments: Targets.native)
  func scratchBytesAreThoseOfTheC(target: Target) throws {
    for name in ["product", "mlp"] {
      let graph = try #require(MatmulSpecimen.named(name)).graph(Shape(terms: 100, columns: 33))
      for schedule in Self.schedules {
        var compiler = Compiler(target: target)
        compiler.schedule.matmul = schedule
        let kernel = try compiler.compile(graph)
        for rows in Self.rows {
          for parts in [1, 2, 3, 7] {
            let bytes = try kernel.lowering.module.scratchBytes(rows: rows, parts: parts)
            #expect(Int(kernel.code.scratchBytes(Int64(rows), Int64(parts))) == bytes)
          }
        }
      }
    }
  }
}
