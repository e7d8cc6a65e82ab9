internal import NormGen

/// A kernel's plan and cost in words.
struct KernelSummary {
  private let lowering: Lowering
  private let compiler: Compiler

  init(_ lowering: Lowering, _ compiler: Compiler) {
    self.lowering = lowering
    self.compiler = compiler
  }

  /// The text form, the plan, the schedule and the cost.
  var text: String {
    GraphPrinter.text(of: lowering.graph) + "\n" + PlanPrinter.text(of: lowering.plan) + "\n"
      + schedule + "\n" + cost
  }

  /// The strategy, why it was chosen, and what it does in each pass.
  var schedule: String {
    var chosen: [String] = []
    for schedule in lowering.schedules where !chosen.contains(schedule.strategy) {
      chosen.append(schedule.strategy)
    }
    var lines = [
      "target \(lowering.target): \(lowering.target.lanes) Float32 lanes",
      "strategy \(chosen.joined(separator: ", "))\(compiler.trace.strategy == nil ? "" : ", as asked for")",
    ]
    for strategy in compiler.strategies {
      let verdict: String
      if chosen.contains(strategy.name) {
        verdict = compiler.trace.strategy == nil ? "the first that applies" : "chosen"
      } else {
        let applies = lowering.plan.regions.contains {
          strategy.applies(to: $0, target: lowering.target)
        }
        verdict = applies ? "applies, too" : "does not apply"
      }
      lines.append("  \(strategy.name): \(verdict) (\(strategy.summary))")
    }
    lines += lowering.program.summary
    lines += MatmulSummary(lowering, compiler).reasons
    if let bytes = lowering.schedules.first?.streamingBytes {
      lines.append("outputs of \(bytes) bytes and more bypass the caches where the code allows it")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What a row costs.
  var cost: String {
    let cost = KernelCost(lowering)
    let operations = cost.operationsPerRow
    let passes = zip(cost.passExtents, cost.passRowExtents).map { extent, row in
      extent == row ? "the whole row" : "\(extent) elements"
    }
    let kinds = [
      ("add", operations.additions), ("mul", operations.multiplications),
      ("fma", operations.fused), ("bf16 dot", operations.dotted),
      ("int8", operations.integer), ("div", operations.divisions),
      ("sqrt", operations.squareRoots), ("elementary", operations.elementary),
      ("compare or select", operations.selections), ("round", operations.roundings),
    ]
    let used = kinds.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
    var rows = [
      ["bytes read per row", "\(cost.bytesReadPerRow)"],
      ["bytes written per row", "\(cost.bytesWrittenPerRow)"],
      ["bytes of parameters per call", "\(cost.parameterBytes)"],
      ["operations per row", used.isEmpty ? "none" : used.joined(separator: ", ")],
      ["passes over a row", "\(passes.count): \(passes.joined(separator: ", then "))"],
      ["scratch bytes", "\(cost.scratchBytes)"],
    ]
    rows += MatmulSummary(lowering, compiler).memory
    return TextTable(header: ["cost", "every value once"], rows).text
  }
}
