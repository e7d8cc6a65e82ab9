import NormGen
import NormGenFuzz
import Testing

/// How many passes the planner needs, what it keeps, and that its loops pass their verifier.
@Suite struct PlannerTests {
  let x = Tensor.input("x", [.rows, 300], .f32)
  let gain = Tensor.input("gain", [300], .f32)

  private func region(_ outputs: KeyValuePairs<String, Tensor>) throws -> Region {
    let regions = try FusionPlanner.plan(of: Kernel("k", outputs: outputs).graph()).regions
    #expect(regions.count == 1)
    return try #require(regions.first)
  }

  @Test func passesAreTheFewestThatTheDependencesAllow() throws {
    let rms = x.rmsNorm(gain: gain)
    let sandwich = (rms + x).rmsNorm(gain: gain)
    let cases: [(Int, KeyValuePairs<String, Tensor>)] = [
      (1, ["y": x * gain]), (2, ["y": rms]), (3, ["y": x.layerNorm(gain: gain)]),
      (3, ["y": sandwich]), (3, ["y": sandwich, "hidden": rms + x]),
      (4, ["y": (rms + x).layerNorm(gain: gain)]),
      // Two statistics that don't need each other share a pass.
      (2, ["y": x * x.rowMaximum() + x.rowMinimum() * x.mean()]),
      (2, ["rstd": x.rmsNormalization().inverseDeviation]),
    ]
    for (passes, outputs) in cases {
      #expect(try region(outputs).passes.count == passes, "\(outputs)")
    }
  }

  @Test func residualSumIsStoredInTheFirstPass() throws {
    let hidden = x + Tensor.input("residual", [.rows, 300], .f32)
    let region = try region(["hidden": hidden, "y": hidden.rmsNorm(gain: gain)])
    #expect(region.passes.map(\.stores) == [[0], [1]])
  }

  @Test func rowsOfDifferentLengthsAreRefused() throws {
    let narrow = Tensor.input("narrow", [.rows, 30], .f32)
    let kernel = Kernel("k", x * narrow.mean())
    let error = #expect(throws: CompilerError.self) {
      try Compiler(target: .portable).lower(kernel)
    }
    guard case .plan(let plan) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(plan.message.contains("rows of different lengths"))
  }

  @Test func outputsThatShareNothingHaveRowProgramsOfTheirOwn() throws {
    let narrow = Tensor.input("narrow", [.rows, 30], .f32)
    let other = Tensor.input("other", [.rows, 300], .f32)
    let heads = x.reshaped([.rows, 3, 100])
    for z in [narrow.rmsNorm(), other.rmsNorm(), heads.rmsNorm()] {
      let lowering = try Compiler(target: .portable).lower(
        Kernel("k", outputs: ["y": x.rmsNorm(), "z": z]))
      #expect(lowering.plan.regions.count == 2)
      #expect(lowering.program.division == .rows)
    }
    // What reads the same rows in one way is one run over them.
    let both = Kernel("k", outputs: ["y": x.rmsNorm(), "z": (x * x).rowMaximum()])
    #expect(try Compiler(target: .portable).lower(both).plan.regions.count == 1)
  }

  /// One loop sees a row one way; what sees it in another reads it from memory.
  @Test func rowsSeenInSeveralWaysTakeStages() throws {
    func stages(_ outputs: Tensor...) throws -> [Int] {
      let outputs = outputs.enumerated().map { Kernel.Output("y\($0.offset)", $0.element) }
      return try Compiler(target: .portable).lower(Kernel("k", outputs: outputs)).plan.stages.map(
        \.regions.count)
    }
    let normed = x.rmsNorm()
    func heads(_ value: Tensor, _ extent: Int) -> Tensor {
      value.reshaped([.rows, .fixed(300 / extent), .fixed(extent)]).rmsNorm()
        .reshaped([.rows, 300])
    }
    // One behind the other, side by side, and both of a computed value.
    #expect(try stages(heads(normed, 100)) == [1, 1])
    #expect(try stages(normed + heads(x, 100)) == [2, 1])
    let squares = (x * x).exp()
    #expect(try stages(squares.rmsNorm(), heads(squares, 100), heads(squares, 50)) == [1, 1, 1])
  }

  /// A reshaped gain keeps the axis that it had, which here fits as well as the one asked for.
  @Test func reshapedPartsOfARowAreRefusedWhereTheyBroadcast() throws {
    let square = Tensor.input("x", [.rows, 4, 4], .f32)
    let gain = Tensor.input("gain", [4], .f32)
    let reshaped = gain.reshaped([4, 1])
    for y in [square * reshaped + square.mean(), square * (reshaped + 1)] {
      let error = #expect(throws: CompilerError.self) {
        try Compiler(target: .portable).lower(Kernel("k", y))
      }
      #expect(
        error?.description.contains("reshaped to [4, 1]") == true, "\(String(describing: error))")
    }
    // A gain of whole rows is seen as they are.
    let whole = Tensor.input("whole", [16], .f32).reshaped([4, 4])
    _ = try Compiler(target: .portable).lower(Kernel("k", square * whole + square.mean()))
  }

  /// Factors of a statistic may be narrower than its rows.
  @Test func statisticOfAProductWithOneNumberARowSeesTheRow() throws {
    let heads = x.reshaped([.rows, 3, 100])
    let factor = Tensor.input("factor", [.rows, 3, 1], .f32)
    let total = (heads * factor).sum() + heads.sum()
    let kernel = Kernel("k", outputs: ["y": (heads * total).reshaped([.rows, 300])])
    #expect(try Compiler(target: .portable).lower(kernel).plan.regions[0].outerExtents == [3])
  }

  /// One number a row has as many axes as the rows do.
  @Test func rowsAreSeenAsTheirWidestShape() throws {
    let scale = -Tensor.input("scale", [.rows, 3, 1], .f32)
    let heads = x.reshaped([.rows, 3, 100]).maximum(.constant(0))
    let kernel = Kernel(
      "k",
      outputs: ["flat": heads.reshaped([.rows, 300]), "scale_out": scale, "y": heads * scale])
    let region = try Compiler(target: .portable).lower(kernel).plan.regions[0]
    #expect(region.outerExtents == [3])
    #expect(region.rowExtent == 100)
  }

  /// Statistics that end in different blocks of the canonical order have partials in each block.
  @Test func everyBlockHasPartialsOfItsOwn() throws {
    let wide = Tensor.input("x", [.rows, 8200], .f32)
    let range = wide.rowMaximum() - wide.rowMinimum(over: .leading(count: 100))
    for target in Target.general {
      let compiler = Compiler(target: target)
      _ = try compiler.object(of: compiler.lower(Kernel("k", wide * range)))
    }
  }

  @Test func randomGraphsArePlannedForEveryTargetAndStrategy() throws {
    for seed in 0..<400 as Range<UInt64> {
      let graph = try RandomGraph(seed: seed).kernel.graph()
      for target in Target.general {
        var compiler = Compiler(target: target)
        for strategy in compiler.strategies {
          let region = try FusionPlanner.region(of: graph)
          guard strategy.applies(to: region, target: target) else { continue }
          compiler.schedule.region = Schedule(strategy: strategy.name)
          // Lowering runs the verifiers of the graph and the loops.
          let lowering = try compiler.lower(graph)
          #expect(lowering.schedules[0].strategy == strategy.name)
        }
      }
    }
  }
}
