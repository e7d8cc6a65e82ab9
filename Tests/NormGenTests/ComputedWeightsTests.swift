import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Weights that are computed from inputs, once, when they are packed.
@Suite struct ComputedWeightsTests {
  private static let x = Tensor.input("x", [.rows, 70], .f32)

  /// Integers, their scales, and the Float32 products that are the weights.
  private struct Scaled {
    let integers: HostTensor
    let scale: HostTensor
    let weights: HostTensor

    /// - Parameter isScaledByRow: Whether each row of the integers has a scale, or each column.
    init(rows: Int, columns: Int, isScaledByRow: Bool) throws {
      let scales = (0..<(isScaledByRow ? rows : columns)).map { 0.37 + Float($0) * 0.011 }
      let numbers = (0..<rows * columns).map { ($0 * 37 + $0 / columns * 11) % 255 - 127 }
      integers = try HostTensor(numbers.map(Double.init), shape: [rows, columns], .i8)
      scale = try HostTensor(scales, shape: isScaledByRow ? [rows, 1] : [columns])
      weights = try HostTensor(
        numbers.enumerated().map { index, number in
          Float(number) * scales[isScaledByRow ? index / columns : index % columns]
        }, shape: [rows, columns])
    }
  }

  @Test(arguments: Matmul.WeightLayout.allCases, [true, false])
  func bitsAreThoseOfTheWeightsThemselves(
    layout: Matmul.WeightLayout, isScaledByRow: Bool
  ) throws {
    let (rows, columns) = layout == .inOut ? (70, 45) : (45, 70)
    let scaled = try Scaled(rows: rows, columns: columns, isScaledByRow: isScaledByRow)
    let w = Tensor.input("w", [.fixed(rows), .fixed(columns)], .i8)
    let scale = Tensor.input("scale", scaled.scale.shape.map { .fixed($0) }, .f32)
    let plain = Tensor.input("w", [.fixed(rows), .fixed(columns)], .f32)
    let computed = Kernel("computed", Self.x.matmul(w * scale, layout: layout))
    let given = Kernel("given", Self.x.matmul(plain, layout: layout))
    for target in Targets.native {
      let compiler = Compiler(target: target)
      let x = try RandomInputs.tensors(for: try given.graph(), rows: 9, seed: 4)["x"]
      let expected = try compiler.compile(given)(["x": try #require(x), "w": scaled.weights])
      let kernel = try compiler.compile(computed)
      for threads in [1, 2] {
        let found = try kernel(
          ["x": try #require(x), "w": scaled.integers, "scale": scaled.scale], threads: threads)
        #expect(firstDifference(expected, found) == nil, "\(target), \(threads) threads")
      }
    }
  }

  @Test func theyArePackedOnceForManyCalls() throws {
    // Parameters stand in the order in which they are made.
    let rows = Self.x
    let w = Tensor.input("w", [70, 45], .i8)
    let scale = Tensor.input("scale", [45], .f32)
    let effective = (w * scale).named("effective")
    // The scale has another use: the function takes it itself, too.
    let y = rows.matmul(effective) + scale
    let kernel = try Compiler(target: HostCPU.current.bestTarget).compile(Kernel("k", y))
    #expect(kernel.computedWeights.map(\.name) == ["effective"])
    #expect(kernel.computedWeights.first?.inputs == ["w", "scale"])
    #expect(kernel.parameters.map(\.name) == ["x", "w", "scale", "y"])
    #expect(
      kernel.lowering.module.interface.parameters.map(\.buffer.name)
        == ["x", "scale", "effective", "y"])
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: 3, seed: 5)
    let expected = try kernel(inputs)
    var output = try HostTensor(zeros: [3, 45], .f32)
    try inputs["x"]!.withUnsafeBytes { x throws in
      try inputs["w"]!.withUnsafeBytes { w throws in
        try inputs["scale"]!.withUnsafeBytes { scale throws in
          let packed = try kernel.packed(
            "effective", ["w": KernelArgument(w), "scale": KernelArgument(scale)])
          try output.withUnsafeMutableBytes { y throws in
            try kernel(
              rows: 3,
              [
                KernelArgument(x), KernelArgument(packed), KernelArgument(scale),
                KernelArgument(y),
              ])
          }
          #expect(throws: CallError.missing(parameter: "scale")) {
            try kernel.packed("effective", ["w": KernelArgument(w)])
          }
          #expect(throws: CallError.notPacked(parameter: "scale")) {
            _ = try kernel.bound(
              rows: 3,
              [
                KernelArgument(x), KernelArgument(packed), KernelArgument(packed),
                KernelArgument(x),
              ])
          }
          #expect(throws: CallError.notPacked(parameter: "w")) {
            try kernel.packed("w", KernelArgument(w))
          }
        }
      }
    }
    #expect(firstDifference(expected, ["y": output]) == nil)
  }

  @Test func weightsThatAProductTakesOtherwiseArePackedTwice() throws {
    let w = Tensor.input("w", [70, 70], .bf16)
    let normed = w.weightNorm(gain: .input("g", [70, 1], .f32))
    let kernel = Kernel(
      "k", Self.x.matmul(normed).silu() + Self.x.matmul(normed, layout: .outIn))
    let lowering = try Compiler(target: .portable).lower(kernel)
    #expect(lowering.program.weights.count == 2)
    // Every stage that is printed shows how they are computed.
    for weights in lowering.program.weights {
      #expect(LoopPrinter.text(of: lowering.program).contains("loops \(weights.rowProgram.name)("))
      #expect(PlanPrinter.text(of: lowering.plan).contains("region \(weights.rowProgram.name):"))
    }
    #expect(Set(lowering.program.weights.map(\.name)).count == 2)
    let shared = Kernel("k", Self.x.matmul(normed) + Self.x.silu().matmul(normed))
    #expect(try Compiler(target: .portable).lower(shared).program.weights.count == 1)
  }

  @Test func noScheduleTakesThemAsTheyAre() throws {
    let w = Tensor.input("w", [70, 45], .f32)
    var compiler = Compiler(target: .portable)
    compiler.schedule = KernelSchedule(matmul: MatmulSchedule(packsWeights: false))
    let lowering = try compiler.lower(Kernel("k", Self.x.matmul(w * 3)))
    #expect(lowering.program.products.allSatisfy { $0.isPacked })
  }

  @Test func weightsMayBeLargerThanRows() throws {
    let x = Tensor.input("x", [.rows, 8192], .f32)
    let w = Tensor.input("w", [8192, 4096], .i8)
    let scale = Tensor.input("scale", [4096], .f32)
    let lowering = try Compiler(target: .avx2).lower(Kernel("k", x.matmul(w * scale)))
    let packing = lowering.module.interface.parameters.compactMap(\.packing).first
    #expect(packing?.elements == 8192 * 4096 + 16 * 4096)
    // Rows have none of that size, whatever is computed of it.
    let mean = Kernel("k", Tensor.input("x", [.rows, 8192, 1], .f32) * w.mean())
    #expect(throws: CompilerError.self) { try Compiler(target: .avx2).lower(mean) }
  }

  /// Names that the functions around them use, or make of others.
  @Test func anyNamesWillDo() throws {
    let text = """
      kernel k(x: f32[rows, 8], k: f32[8, 5], k_: f32[8, 1], packed: f32[5], packed_: f32[8, 5]) {
        a = k * k_
        a_entry = packed_ * packed
        y = matmul(x, a)
        z = matmul(x, a_entry)
      } -> y, z
      """
    let graph = try #require(try GraphParser.graphs(in: text, file: "k.ng").first)
    let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 8)
    let reference = try ReferenceOutputs(
      of: graph, rows: 3, inputs: inputs, columns: .all(of: graph))
    for target in Targets.native {
      let outputs = try Compiler(target: target).compile(graph)(inputs)
      for (index, output) in graph.outputs.enumerated() {
        let tensor = try #require(outputs[output.name])
        #expect(reference.judgement(of: tensor, output: index).exact.passes)
      }
    }
  }

  /// A compiler that knows how many rows are computed at a time finds nothing odd in it.
  @Test(arguments: CCompiler.all)
  func theCCompilesWithoutAWarning(compiler: CCompiler) throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let w = Tensor.input("q", [8, 16], .i8) + .input("d", [16], .f16)
    let kernel = Kernel("k", x.matmul(w * w.mean()))
    for target in Target.general where compiler.compiles(target) {
      let source = try Compiler(target: target).lower(kernel).source.source
      for level in ["-O2", "-O3"] {
        try withTemporaryDirectory { directory in
          try Data(source.utf8).write(to: directory.appendingPathComponent("k.c"))
          try compiler.run(
            ["-std=c11", level, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "k.c"],
            in: directory)
        }
      }
    }
  }

  @Test func gradientsGoThroughThem() throws {
    let w = Tensor.input("w", [70, 45], .f32)
    let scale = Tensor.input("scale", [45], .f32)
    let forward = Kernel("k", Self.x.matmul(w * scale))
    let gradient = try forward.gradient(withRespectTo: ["x"])
    let kernel = try Compiler(target: HostCPU.current.bestTarget).compile(gradient)
    let graph = kernel.lowering.graph
    let inputs = try RandomInputs.tensors(for: graph, rows: 5, seed: 6)
    let reference = try ReferenceOutputs(
      of: graph, rows: 5, inputs: inputs, columns: .all(of: graph))
    for (index, output) in graph.outputs.enumerated() {
      let found = try #require(kernel(inputs)[output.name])
      #expect(reference.judgement(of: found, output: index).exact.passes)
    }
    // What all rows add to is known when the last one is done.
    #expect(throws: GradientError.computedWeights("the value w * scale")) {
      try forward.gradient(withRespectTo: ["w"])
    }
  }

  // MARK: What cannot be computed row by row

  private func refusal(
    _ weights: Tensor, layout: Matmul.WeightLayout = .inOut, rows: Tensor = Self.x
  ) -> String? {
    let kernel = Kernel("k", rows.matmul(weights, layout: layout))
    do {
      _ = try Compiler(target: .portable).lower(kernel)
      return nil
    } catch CompilerError.plan(let error) { return error.message } catch { return "\(error)" }
  }

  @Test func whatIsNotComputedRowByRowIsRefused() throws {
    let w = Tensor.input("w", [70, 45], .f32)
    let flat = Tensor.input("flat", [45, 70], .f32)
    #expect(
      refusal((w * 2).columns(0..<20))?.hasSuffix(
        "are computed row by row, each for itself, from inputs, but 'columns(w * 2.0, from: 0, count: "
          + "20)' takes columns of a computed value; make it an input of this kernel") == true,
      "\(refusal((w * 2).columns(0..<20)) ?? "compiles")")
    #expect(
      refusal((flat * 2).reshaped([70, 45]))?.hasSuffix(
        "but 'reshape(flat * 2.0, [70, 45])' takes the weights' first axis apart or puts it together; "
          + "make it an input of this kernel") == true,
      "\(refusal((flat * 2).reshaped([70, 45])) ?? "compiles")")
  }

  @Test func errorsNameTheWeights() throws {
    let w = Tensor.input("w", [8, 2, 4], .f32)
    let normed = w.rmsNorm().reshaped([8, 8])
    let x = Tensor.input("x", [.rows, 8], .f32)
    let views = refusal(normed.weightNorm().named("wn"), layout: .outIn, rows: x)
    #expect(views?.hasPrefix("the weights 'wn' are computed row by row: statistics and") == true)
    #expect(views?.hasSuffix("; make them an input of this kernel") == true)
    let wide = Tensor.input("w", [70, 2, 45], .f32).columns(3..<20).reshaped([70, 34])
    #expect(refusal(wide)?.contains("takes columns of an input with more axes") == true)
  }

  /// Packing has no memory of the caller's: long rows are computed again, and hundreds of statistics refused.
  @Test func packingNeedsNoMemoryOfItsOwn() throws {
    let x = Tensor.input("x", [.rows, 16384], .f32)
    let w = Tensor.input("w", [3, 16384], .f32)
    let (gelu, silu) = (w.gelu(), w.silu())
    let kernel = Kernel("k", x.matmul(gelu * gelu.mean() + silu * silu.mean(), layout: .outIn))
    let graph = try kernel.graph()
    let inputs = try RandomInputs.tensors(for: graph, rows: 2, seed: 3)
    let reference = try ReferenceOutputs(
      of: graph, rows: 2, inputs: inputs, columns: .all(of: graph))
    let y = try Compiler(target: HostCPU.current.bestTarget).compile(graph)(inputs)["y"]
    #expect(reference.judgement(of: try #require(y), output: 0).exact.passes)
    let sums = (0..<400).map { (w * Float($0 + 2)).sum() }
    let many = Kernel(
      "k", x.matmul(w + sums.dropFirst().reduce(sums[0]) { $0 + $1 }, layout: .outIn))
    #expect(throws: CompilerError.self) { try Compiler(target: .avx2).lower(many) }
  }

  @Test func whatLiesInAnInputIsReadThere() throws {
    let wide = Tensor.input("wide", [70, 61], .f16)
    let flat = Tensor.input("flat", [3150], .f32)
    let grouped = Tensor.input("grouped", [70, 9, 5], .i8)
    for (number, weights) in [
      wide.columns(7..<52), flat.reshaped([70, 45]),
      (grouped * Tensor.input("scale", [70, 9, 1], .f32)).reshaped([70, 45]),
      wide.columns(0..<45) * flat.reshaped([70, 45]) + wide.columns(16..<61),
    ].enumerated() {
      let graph = try Kernel("k\(number)", Self.x.matmul(weights)).graph()
      let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 7)
      for target in Targets.native {
        let call = KernelCall(
          try Compiler(target: target).lower(graph), rows: 3, inputs: inputs)
        let reference = try ReferenceOutputs(
          of: graph, rows: 3, inputs: inputs, columns: .all(of: graph))
        #expect(LoopCheck(call, reference: reference, mostCost: .max) == .right)
        let outputs = try Compiler(target: target).compile(graph)(inputs)
        #expect(
          reference.judgement(of: try #require(outputs["y"]), output: 0).exact.passes,
          "\(number) \(target)")
      }
    }
  }
}
