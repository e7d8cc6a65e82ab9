import Foundation
import NormGen
import NormGenSchedule
import Testing

/// Schedules are values that a search writes down, reads again and goes through.
@Suite struct ScheduleTests {
  private static func graph(_ text: String) throws -> Graph {
    try #require(try GraphParser.graphs(in: text).first)
  }

  private static let chain = """
    kernel chain(x: f32[rows, 24], gain: f32[24], w: f32[24, 40], v: f32[40, 24]) {
      h = matmul(rms_norm(x, gain: gain), w)
      y = rms_norm(matmul(gelu(h), v))
    } -> y

    """

  @Test func schedulesSurviveARoundTrip() throws {
    let region = Schedule(
      strategy: "row_streaming", streamingBytes: nil, rowTile: 3, prefetchesNextRow: false,
      keeping: KeepingSchedule(leastOutputCost: 1.5, leastScratchCost: 9, scratchElements: 77))
    let schedule = KernelSchedule(
      region: region, regions: ["chain_rows2": Schedule(rowTile: 2)],
      matmul: MatmulSchedule(
        chunkRows: 28, packsWeights: false, mostChunkRows: 5, mostPanelBytes: 1 << 20,
        weightStepsAhead: 3, gatheredBytes: 4096,
        products: ["w": ProductSchedule(packsWeights: false, weightStepsAhead: 1)]))
    let text = try JSONEncoder().encode(schedule)
    #expect(try JSONDecoder().decode(KernelSchedule.self, from: text) == schedule)
  }

  /// Every knob changes the C of some kernel; extreme ones are lowered all the same.
  @Test func everyKnobReachesTheC() throws {
    func emitted(_ text: String, _ schedule: KernelSchedule) throws -> String {
      var compiler = Compiler(target: .avx2)
      compiler.schedule = schedule
      return try compiler.lower(try Self.graph(text)).source.source
    }
    let norm = "kernel k(x: f32[rows, 64], w: f32[64]) {\ny = rms_norm(gelu(x), gain: w)\n} -> y\n"
    let tiled = "kernel k(x: f32[rows, 64], w: f32[64]) {\ny = rms_norm(x, gain: w)\n} -> y\n"
    let product = "kernel k(x: f32[rows, 64], w: f32[64, 64]) {\ny = matmul(x, w)\n} -> y\n"
    let outer =
      "kernel k(x: f32[rows, 640], y: f32[rows, 64]) {\nz = outer_sum(x, y)\n} -> z\n"
    let regions: [(String, (inout Schedule) -> Void)] = [
      (norm, { $0.keeping.leastScratchCost = 1e9 }), (norm, { $0.keeping.scratchElements = 0 }),
      (tiled, { $0.rowTile = .max }), (norm, { $0.streamingBytes = .max }),
      (norm, { $0.streamingBytes = .min }), (norm, { $0.streamingBytes = nil }),
    ]
    for (number, (text, change)) in regions.enumerated() {
      var schedule = Schedule()
      let before = try emitted(text, KernelSchedule(region: schedule))
      change(&schedule)
      #expect(try emitted(text, KernelSchedule(region: schedule)) != before, "change \(number)")
      #expect(
        try emitted(text, KernelSchedule(regions: ["k": schedule]))
          == emitted(text, KernelSchedule(region: schedule)))
    }
    let matmuls: [(String, (inout MatmulSchedule) -> Void)] = [
      (product, { $0.packsWeights = false }), (product, { $0.mostChunkRows = -1 }),
      (product, { $0.mostPanelBytes = .min }), (product, { $0.chunkRows = 6 }),
      (product, { $0.weightStepsAhead = .max }), (outer, { $0.gatheredBytes = 1 }),
      (product, { $0.products["w"] = ProductSchedule(packsWeights: false) }),
      (product, { $0.products["w"] = ProductSchedule(weightStepsAhead: 3) }),
    ]
    for (number, (text, change)) in matmuls.enumerated() {
      var schedule = MatmulSchedule()
      let before = try emitted(text, KernelSchedule(matmul: schedule))
      change(&schedule)
      #expect(try emitted(text, KernelSchedule(matmul: schedule)) != before, "change \(number)")
    }
  }

  @Test func aRegionAndAProductHaveKnobsOfTheirOwn() throws {
    var compiler = Compiler(target: .avx2)
    compiler.schedule = KernelSchedule(
      region: Schedule(rowTile: 1), regions: ["chain_rows1": Schedule(rowTile: 4)],
      matmul: MatmulSchedule(products: ["v": ProductSchedule(packsWeights: false)]))
    let lowering = try compiler.lower(try Self.graph(Self.chain))
    let names = lowering.plan.regions.map(\.graph.name)
    #expect(names == ["chain_rows1", "chain_rows2", "chain_rows3"])
    #expect(lowering.schedules.map(\.rowTile) == [4, 1, 1])
    #expect(lowering.program.products.map(\.isPacked) == [true, false])
  }

  @Test func namesThatTheKernelLacksAreRefused() throws {
    func message(_ schedule: KernelSchedule, _ text: String = Self.chain) throws -> String {
      var compiler = Compiler(target: .portable)
      compiler.schedule = schedule
      do throws(CompilerError) {
        _ = try compiler.lower(try! Self.graph(text))
        return "accepted"
      } catch {
        guard case .schedule(let error) = error else { return "another error: \(error)" }
        return error.description
      }
    }
    #expect(
      try message(KernelSchedule(regions: ["chain": Schedule()]))
        == "kernel 'chain' cannot be scheduled: a schedule names the region 'chain'; known: "
        + "chain_rows1, chain_rows2, chain_rows3")
    #expect(
      try message(KernelSchedule(matmul: MatmulSchedule(products: ["u": ProductSchedule()])))
        == "kernel 'chain' cannot be scheduled: a schedule names a product with the weights 'u'; "
        + "known: w, v")
    #expect(
      try message(
        KernelSchedule(matmul: MatmulSchedule()), "kernel k(x: f32[rows, 4]) {\ny = -x\n} -> y\n")
        == "kernel 'k' cannot be scheduled: a schedule for matmuls is given, but it has none")
    #expect(
      try message(
        KernelSchedule(matmul: MatmulSchedule(chunkRows: 14)),
        "kernel k(x: f32[rows, 4], y: f32[rows, 4]) {\nz = outer_sum(x, y)\n} -> z\n"
      )
      .hasSuffix("but sums over rows are taken in blocks of 256"))
  }

  // MARK: Spaces

  @Test func aSpaceHasEachChoiceOfEachKnob() {
    let space = ScheduleSpace(
      Schedule(),
      knobs: [
        Knob("row_tile", \Schedule.rowTile, [1, 2, 3]),
        Knob("prefetches_next_row", \.prefetchesNextRow, [true, false]),
      ])
    #expect(space.count == 6)
    let all = Set((0..<space.count).map { space[$0] })
    #expect(all.count == 6 && all.contains(Schedule(rowTile: 3, prefetchesNextRow: false)))
    #expect(Set(space.samples.map(\.rowTile)) == [1, 2, 3])
    #expect(Set(space.samples.map(\.prefetchesNextRow)) == [true, false])
    var random = SeededGenerator(seed: 5)
    let drawn = (0..<100).map { _ in space.drawn(using: &random) }
    #expect(Set(drawn) == all)
    #expect(ScheduleSpace(Schedule()).samples == [Schedule()])
  }

  /// A kernel's space holds the compiler's choice, and what it holds is legal.
  @Test func theSpaceOfAKernelIsLegal() throws {
    for target in Target.general {
      let chosen = try Compiler(target: target).lower(try Self.graph(Self.chain))
      let space = ScheduleSpace(of: chosen.plan, strategy: RowStreaming(), target: target)
      var compiler = Compiler(target: target)
      compiler.schedule = space[0]
      #expect(try compiler.lower(chosen.graph).source.source == chosen.source.source)
      #expect(space.knobs.contains { $0.name == "chain_rows1.row_tile" })
      #expect(space.knobs.contains { $0.name == "v.packs_weights" })
      for schedule in space.samples {
        compiler.schedule = schedule
        _ = try compiler.lower(chosen.graph)
      }
    }
  }
}
