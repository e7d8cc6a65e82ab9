internal import ArgumentParser
internal import NormGen

/// Shows how a kernel is compiled.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Show a kernel's plan and cost, or what a stage of the compiler makes of it.",
    discussion: """
      Without --stage: the text form, the passes, the strategy, and what a row costs.
      """)

  @OptionGroup var selection: KernelSelection
  @OptionGroup var target: TargetSelection

  @Option(
    help: ArgumentHelp(
      "Stages to print, separated by commas: "
        + Stage.allCases.map(\.rawValue).joined(separator: ", ") + ".",
      valueName: "stages"),
    transform: ExplainCommand.stages)
  var stage: [Stage] = []

  /// What can be shown, in the order of the pipeline.
  enum Stage: String, CaseIterable {
    case graph, regions, schedule, loops, c, llvm, asm
  }

  private static func stages(_ text: String) throws -> [Stage] {
    let wanted = try text.split(separator: ",").map { name in
      guard let stage = Stage(rawValue: String(name)) else {
        let known = Stage.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("no stage is named '\(name)'; known: \(known)")
      }
      return stage
    }
    return Stage.allCases.filter(wanted.contains)
  }

  func run() throws {
    let compiler = try target.compiler()
    for (number, kernel) in try selection.all().enumerated() {
      if number > 0 { try Terminal.print("") }
      let compiler = compiler.emitting(kernel)
      let lowering = try compiler.lower(kernel.graph)
      guard !stage.isEmpty else {
        try Terminal.print(KernelSummary(lowering, compiler).text)
        continue
      }
      for stage in stage {
        try Terminal.print("== \(stage.rawValue): \(kernel.graph.name), \(lowering.target)\n\n")
        try Terminal.print(try text(of: stage, lowering, compiler) + "\n")
      }
    }
  }

  private func text(
    of stage: Stage, _ lowering: Lowering, _ compiler: Compiler
  ) throws -> String {
    switch stage {
    case .graph: GraphPrinter.text(of: lowering.graph)
    case .regions: PlanPrinter.text(of: lowering.plan)
    case .schedule: KernelSummary(lowering, compiler).schedule
    case .loops: LoopPrinter.text(of: lowering.program)
    case .c: lowering.source.source
    case .llvm: try compiler.llvmIR(of: lowering)
    case .asm: try compiler.assembly(of: lowering)
    }
  }
}
