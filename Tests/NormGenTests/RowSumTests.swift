import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Values over all rows: within the oracle's bound, and the same bits on every target and for every
/// number of threads and parts.
@Suite struct RowSumTests {
  /// None, one, and around blocks of the canonical order.
  static let rows = [0, 1, 2, 7, 255, 256, 257, 600]

  /// A kernel for an extent and types.
  struct Subject: Sendable, CustomTestStringConvertible {
    let name: String
    let outputs: @Sendable (Specimen.Parameters) -> [Kernel.Output]

    var testDescription: String { name }

    func graph(_ extent: Int, _ types: Specimen.Types) throws -> Graph {
      try Kernel(
        "\(name)_\(extent)_\(types.name)",
        outputs: outputs(Specimen.Parameters(extent: extent, types: types, epsilon: 0.8765))
      ).graph()
    }
  }

  static let subjects = [
    Subject(name: "sum") { parts in
      [Kernel.Output("total", parts.x.sumOverRows(), as: .f32)]
    },
    Subject(name: "mean_of_product") { parts in
      [
        Kernel.Output("y", parts.x * parts.gain),
        Kernel.Output("mean", (parts.x * parts.row("upstream")).meanOverRows()),
      ]
    },
    // The statistics of a batch.
    Subject(name: "batch_mean") { parts in
      [
        Kernel.Output("y", parts.x + parts.gain),
        Kernel.Output("mean", parts.x.meanOverRows(), as: .f32),
        Kernel.Output("mean_square", (parts.x * parts.x).meanOverRows(), as: .f32),
      ]
    },
    // The gradients of an RMSNorm's value, gain and shift.
    Subject(name: "rms_gradient") { parts in
      let inverse = 1 / ((parts.x * parts.x).mean() + parts.epsilon).squareRoot()
      let normed = parts.x * inverse
      let upstream = parts.row("upstream")
      let scaled = upstream * parts.gain
      return [
        Kernel.Output("dx", (scaled - normed * (scaled * normed).mean()) * inverse),
        Kernel.Output("dgain", (upstream * normed).sumOverRows()),
        Kernel.Output("dshift", upstream.sumOverRows()),
      ]
    },
    // A number per row, summed and taken under another shape.
    Subject(name: "of_statistics") { parts in
      let square = (parts.x * parts.x).sum()
      return [
        Kernel.Output("y", parts.x - square),
        Kernel.Output("energy", square.sumOverRows(), as: .f32),
        Kernel.Output(
          "matrix", parts.x.sumOverRows().reshaped([1, .fixed(parts.extent)]), as: .f32),
      ]
    },
    Subject(name: "outer") { parts in
      let other = Tensor.input("other", [.rows, 19], parts.types.gain)
      return [
        Kernel.Output("weights", parts.x.outerSum(with: other), as: .f32),
        Kernel.Output("rounded", other.outerSum(with: parts.x), as: .bf16),
        Kernel.Output("bias", (parts.x * parts.x.mean()).sumOverRows(), as: .f32),
      ]
    },
    // A linear layer's three gradients, with the activation computed again.
    Subject(name: "linear_gradient") { parts in
      let weights = Tensor.input("w", [.fixed(parts.extent), 21], parts.types.gain)
      let upstream = Tensor.input("upstream", [.rows, 21], parts.types.input)
      let gate = parts.x.matmul(weights).sigmoid()
      let inner = upstream * gate
      return [
        Kernel.Output("dx", inner.matmul(weights, layout: .outIn)),
        Kernel.Output("dw", parts.x.outerSum(with: inner), as: .f32),
        Kernel.Output("dbias", inner.sumOverRows()),
      ]
    },
  ]

  static let extents = [1, 3, 16, 33, 64, 129, 300]

  private func calls(_ graph: Graph, _ rows: [Int]) throws -> [Targets.Call] {
    try rows.map { rows in
      Targets.Call(
        graph: graph, rows: rows,
        inputs: try RandomInputs.tensors(for: graph, rows: rows, seed: UInt64(rows + 5)))
    }
  }

  @Test(arguments: subjects, extents.indices)
  func sumsAgreeWithTheOracleOnEveryTarget(subject: Subject, index: Int) throws {
    let all = Specimen.Types.all.filter {
      $0.gain.holdsFractions || subject.name != "linear_gradient"
    }
    let types = all[index % all.count]
    let graph = try subject.graph(Self.extents[index], types)
    let rows = index == 3 ? Self.rows : [0, 1, 7, 257]
    // A mean of no rows is NaN, which has no bound.
    try Targets.check(
      try calls(graph, rows), bounded: !["mean_of_product", "batch_mean"].contains(subject.name),
      targets: index == 3 ? Targets.usable : Targets.native)
  }

  @Test func axesBeforeTheKeptOnesAreSummedLikeRows() throws {
    let heads = Tensor.input("x", [.rows, 3, 5, 20], .f32)
    let normed = heads * heads.mean()
    let graph = try Kernel(
      "heads",
      outputs: [
        Kernel.Output("y", normed),
        Kernel.Output("all", normed.sumOverRows()),
        Kernel.Output("rows", (normed * heads).sumOverRows(keeping: 2)),
        Kernel.Output("vector", (normed * heads).meanOverRows(keeping: 1)),
      ]
    ).graph()
    try Targets.check(try calls(graph, [1, 9, 300]), bounded: true)
    // The same sums beside a product with weights lie in panels.
    let weights = Tensor.input("w", [300, 7], .f32)
    let flat = Tensor.input("x", [.rows, 300], .f32)
    let view = flat.reshaped([.rows, 15, 20])
    let product = try Kernel(
      "panels",
      outputs: [
        Kernel.Output("y", flat.matmul(weights)),
        Kernel.Output("vector", (view * view.mean()).sumOverRows(keeping: 1)),
        Kernel.Output("plain", view.sumOverRows(keeping: 1)),
      ]
    ).graph()
    try Targets.check(try calls(product, [1, 9, 300]), bounded: true)
  }

  @Test(arguments: subjects, Targets.native)
  func partsAndMemoryGiveTheSameBits(subject: Subject, target: Target) throws {
    let graph = try subject.graph(37, Specimen.Types.all[1])
    let lowering = try Compiler(target: target).lower(graph)
    let kernel = try Compiler(target: target).compile(lowering)
    for rows in [0, 1, 255, 600] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
      let expected = try kernel(inputs)
      for threads in [2, 3] {
        let difference = firstDifference(expected, try kernel(inputs, threads: threads))
        #expect(difference == nil, "\(rows) rows, \(threads) threads")
      }
      for edge in GuardedMemory.Edge.allCases {
        for (parts, gap) in [(1, 0), (2, 1), (3, 16), (7, 5)] {
          let call = LaidOutCall(
            lowering: lowering, rows: rows, inputs: inputs, gap: gap, parts: parts)
          let difference = firstDifference(expected, try call.outputs(at: edge))
          #expect(difference == nil, "\(rows) rows, \(edge), \(parts) parts, gap \(gap)")
        }
      }
    }
  }

  /// Rows of a tile are added to a sum one after the other, and outputs that bypass the caches are the
  /// same.
  @Test(arguments: [2, 4], Targets.native)
  func tilesAddRowsInTheirOrder(tile: Int, target: Target) throws {
    for (extent, types) in [(33, 0), (64, 1), (129, 0), (300, 1)] {
      let subject = try #require(Self.subjects.first { $0.name == "rms_gradient" })
      let graph = try subject.graph(extent, Specimen.Types.all[types])
      let rows = 257
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 11)
      func call(_ schedule: Schedule) throws -> [String: HostTensor] {
        var compiler = Compiler(target: target)
        compiler.schedule.region = schedule
        let lowering = try compiler.lower(graph)
        #expect(lowering.program.rowPrograms.map(\.tile) == [schedule.rowTile])
        let takesAllRows = lowering.source.source.contains("all_rows >= ")
        #expect(takesAllRows == (schedule.streamingBytes != nil && target.hasStreamingStores))
        let outputs = try compiler.compile(lowering)(inputs)
        let check = try KernelCheck(
          KernelCall(lowering, rows: rows, inputs: inputs), outputs: outputs)
        #expect(check.passes, "\(extent), \(schedule)")
        return outputs
      }
      let single = try call(Schedule(streamingBytes: nil, rowTile: 1))
      for bytes in [nil, 1, 1 << 40] {
        let tiled = try call(Schedule(streamingBytes: bytes, rowTile: tile))
        let difference = firstDifference(single, tiled)
        #expect(difference == nil, "\(extent), \(String(describing: bytes))")
      }
    }
  }

  @Test func whatNeedsASumOverRowsIsRefused() throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let kernel = Kernel("centred", x - x.meanOverRows())
    #expect {
      try Compiler(target: .portable).lower(kernel)
    } throws: { error in
      "\(error)".contains("needs mean_rows(x, keep: 1)")
        && "\(error)".contains("an input of a second kernel")
    }
    let vector = Tensor.input("v", [8], .f32)
    #expect(throws: GraphError.self) { try Kernel("k", vector.sumOverRows()).graph() }
    #expect(throws: GraphError.self) { try Kernel("k", x.sumOverRows(keeping: 2)).graph() }
    #expect(throws: GraphError.self) { try Kernel("k", x.outerSum(with: vector)).graph() }
  }

  // MARK: Mutants

  /// Edits of emitted C that the oracle, or the contract's order, must not accept.
  struct Mutant: Sendable, CustomTestStringConvertible {
    let name: String
    let subjects: [String]
    let from: String
    let to: String
    var judge = MutantCatches.Judge.bound

    var testDescription: String { name }
  }

  static let mutants = [
    Mutant(
      name: "sums of the block before kept", subjects: ["rms_gradient", "of_statistics"],
      from: "block_sums[i] = 0.0f;", to: "if (block == 0) block_sums[i] = 0.0f;"),
    Mutant(
      name: "block left out", subjects: ["rms_gradient", "sum", "of_statistics"],
      from: "block < blocks; ++block", to: "block < blocks - (blocks > 1); ++block"),
    Mutant(
      name: "mean of one row more", subjects: ["mean_of_product", "batch_mean"],
      from: "(float)rows", to: "(float)(rows + 1)"),
    Mutant(
      name: "first block added to what memory held", subjects: ["outer", "linear_gradient"],
      from: "row == 0,", to: "0,"),
    Mutant(
      name: "later blocks replace earlier ones", subjects: ["outer", "linear_gradient"],
      from: "sum[0] = is_first ?", to: "sum[0] = 1 ?"),
    Mutant(
      name: "last row of a block left out", subjects: ["outer", "linear_gradient"],
      from: "row < depth; ++row", to: "row < depth - 1; ++row"),
    Mutant(
      name: "reassociated sum", subjects: ["rms_gradient", "sum"],
      from: "* block + i]", to: "* (blocks - 1 - block) + i]", judge: .bits),
  ]

  @Test(arguments: mutants)
  func mutantsAreCaught(mutant: Mutant) throws {
    var catches = MutantCatches(mutant.name, by: mutant.judge)
    for name in mutant.subjects {
      let subject = try #require(Self.subjects.first { $0.name == name })
      let graph = try subject.graph(37, Specimen.Types.all[0])
      let lowering = try Compiler(target: try #require(Targets.native.last)).lower(graph)
      let source = lowering.source.source
      let edited = source.replacingOccurrences(of: mutant.from, with: mutant.to)
      #expect(edited != source, "'\(mutant.from)' does not occur in \(name)")
      let inputs = try RandomInputs.tensors(for: graph, rows: 600, seed: 17)
      func outputs(_ source: String?) throws -> [String: HostTensor] {
        try LaidOutCall(
          lowering: source.map { lowering.replacingSource(with: $0) } ?? lowering, rows: 600,
          inputs: inputs
        ).outputs(at: .beginning)
      }
      try catches.add(
        kernel: name, KernelCall(lowering, rows: 600, inputs: inputs), right: outputs(nil),
        wrong: outputs(edited), "600 rows")
    }
    catches.require()
  }
}
