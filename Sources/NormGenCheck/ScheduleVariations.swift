public import NormGen

/// The schedules that a kernel's bits must not depend on.
public enum ScheduleVariations {
  /// Lowerings of a graph by every strategy that applies, with each value of all its knobs, each C once; the first is
  /// the compiler's own choice.
  ///
  /// - Parameter compiler: Its target and strategies are taken, its schedules are not.
  public static func lowerings(
    of graph: Graph, compiler: Compiler
  ) throws(CompilerError) -> [Lowering] {
    var compiler = compiler
    compiler.schedule = KernelSchedule()
    let chosen = try compiler.lower(graph)
    var lowerings = [chosen]
    var texts: Set<String> = [code(chosen)]
    for strategy in compiler.strategies {
      let applies = chosen.plan.regions.allSatisfy {
        strategy.applies(to: $0, target: compiler.target)
      }
      guard applies else { continue }
      let space = ScheduleSpace(of: chosen.plan, strategy: strategy, target: compiler.target)
      for schedule in space.samples {
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
}
