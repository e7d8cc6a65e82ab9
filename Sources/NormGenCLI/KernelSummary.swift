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
    GraphPrinter.text(of: lowering.graph) + "\n" + RegionPrinter.text(of: lowering.region) + "\n"
      + schedule + "\n" + cost
  }

  /// The strategy, why it was chosen, and what it does in each pass.
  var schedule: String {
    let chosen = lowering.schedule.strategy
    var lines = [
      "target \(lowering.target): \(lowering.target.lanes) Float32 lanes",
      "strategy \(chosen)\(compiler.trace.strategy == nil ? "" : ", as asked for")",
    ]
    for strategy in compiler.strategies {
      let verdict: String
      if strategy.name == chosen {
        verdict = compiler.trace.strategy == nil ? "the first that applies" : "chosen"
      } else {
        let applies = strategy.applies(to: lowering.region, target: lowering.target)
        verdict = applies ? "applies, too" : "does not apply"
      }
      lines.append("  \(strategy.name): \(verdict) (\(strategy.summary))")
    }
    lines += lowering.loops.summary
    if let bytes = lowering.schedule.streamingBytes {
      lines.append("outputs of \(bytes) bytes and more bypass the caches where the code allows it")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What a row costs.
  var cost: String {
    let cost = KernelCost(lowering)
    let operations = cost.operationsPerRow
    let passes = cost.passExtents.map { extent in
      extent == lowering.region.rowExtent ? "the whole row" : "\(extent) elements"
    }
    let kinds = [
      ("add", operations.additions), ("mul", operations.multiplications),
      ("fma", operations.fused), ("div", operations.divisions),
      ("sqrt", operations.squareRoots), ("elementary", operations.elementary),
      ("compare or select", operations.selections), ("round", operations.roundings),
    ]
    let used = kinds.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
    let rows = [
      ["bytes read per row", "\(cost.bytesReadPerRow)"],
      ["bytes written per row", "\(cost.bytesWrittenPerRow)"],
      ["bytes of parameters per call", "\(cost.parameterBytes)"],
      ["operations per row", used.isEmpty ? "none" : used.joined(separator: ", ")],
      ["passes over a row", "\(passes.count): \(passes.joined(separator: ", then "))"],
      ["scratch bytes", "\(cost.scratchBytes)"],
    ]
    return TextTable(header: ["cost", "every value once"], rows).text
  }
}
