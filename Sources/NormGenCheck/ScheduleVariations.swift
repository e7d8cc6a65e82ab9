public import NormGen

/// The schedules that a kernel's bits must not depend on.
public enum ScheduleVariations {
  /// Lowerings of a graph by every strategy that applies with all its knobs, each C once; the first is
  /// the compiler's own choice.
  ///
  /// - Parameter compiler: Its target and strategies are taken, its schedules are not.
  public static func lowerings(
    of graph: Graph, compiler: Compiler
  ) throws(CompilerError) -> [Lowering] {
    var compiler = compiler
    compiler.schedule = nil
    compiler.matmulSchedule = nil
    let chosen = try compiler.lower(graph)
    var lowerings = [chosen]
    var texts: Set<String> = [code(chosen)]
    for strategy in compiler.strategies {
      let applies = chosen.plan.regions.allSatisfy {
        strategy.applies(to: $0, target: compiler.target)
      }
      guard applies else { continue }
      for (knobs, matmul) in zip(knobs, matmulKnobs) {
        var schedule = knobs
        schedule.strategy = strategy.name
        schedule.matmul = matmul
        // Sums over rows fix the blocks themselves.
        if !chosen.plan.totals.isEmpty { schedule.matmul.blockRows = nil }
        compiler.schedule = schedule
        let lowering = try compiler.lower(graph)
        if texts.insert(code(lowering)).inserted { lowerings.append(lowering) }
      }
    }
    return lowerings
  }

  /// The C without its head, which names the schedule.
  private static func code(_ lowering: Lowering) -> String {
    let text = lowering.source.source
    return text.firstRange(of: "*/").map { String(text[$0.upperBound...]) } ?? text
  }

  private static let knobs = [
    Schedule(
      streamingBytes: nil, rowTile: 1, prefetchesNextRow: false,
      keeping: KeepingSchedule(leastOutputCost: 0, leastScratchCost: 0)),
    Schedule(streamingBytes: 0, rowTile: 1, prefetchesNextRow: true),
    Schedule(streamingBytes: nil, rowTile: 2, prefetchesNextRow: true),
    Schedule(streamingBytes: 0, rowTile: 3, prefetchesNextRow: false),
    Schedule(streamingBytes: 0, rowTile: 4, prefetchesNextRow: true),
    Schedule(streamingBytes: nil, rowTile: 8, prefetchesNextRow: true),
  ]

  private static let matmulKnobs = [
    MatmulSchedule(), MatmulSchedule(packsWeights: false), MatmulSchedule(blockRows: 1),
    MatmulSchedule(blockRows: 14, packsWeights: false),
    MatmulSchedule(blockRows: 28, weightStepsAhead: 0, gatheredBytes: 1),
    MatmulSchedule(blockRows: 40, packsWeights: false),
  ]
}
