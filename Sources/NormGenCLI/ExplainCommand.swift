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
    case graph, regions, schedule, loops, functions, c, llvm, asm
  }

  private static func stages(_ text: String) throws -> [Stage] {
    let wanted = try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
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
    let kernels = try selection.all()
    var refusals = KernelRefusals()
    var isFirst = true
    for named in kernels {
      let text = try refusals.result(of: named.graph.name, isOnly: kernels.count == 1) {
        let kernel = try selection.gradient.applied(to: named)
        return try self.text(kernel, compiler.emitting(kernel))
      }
      guard let text else { continue }
      if !isFirst { try Terminal.print("") }
      try Terminal.print(text)
      isFirst = false
    }
    try refusals.throwIfAny()
  }

  private func text(_ kernel: SelectedKernel, _ compiler: Compiler) throws -> String {
    guard !stage.isEmpty else {
      return KernelSummary(try compiler.lower(kernel.graph), compiler).text
    }
    // The graph is also printed of a kernel that cannot be planned.
    let lowering = stage == [.graph] ? nil : try compiler.lower(kernel.graph)
    var text = ""
    for stage in stage {
      text += "== \(stage.rawValue): \(kernel.graph.name), \(compiler.target)\n\n"
      let stageText = try lowering.map { try self.text(of: stage, $0, compiler) }
      text += (stageText ?? GraphPrinter.text(of: kernel.graph)) + "\n"
    }
    return text
  }

  private func text(
    of stage: Stage, _ lowering: Lowering, _ compiler: Compiler
  ) throws -> String {
    switch stage {
    case .graph: GraphPrinter.text(of: lowering.graph)
    case .regions: PlanPrinter.text(of: lowering.plan)
    case .schedule: KernelSummary(lowering, compiler).schedule
    case .loops: LoopPrinter.text(of: lowering.program)
    case .functions: LoopPrinter.text(of: lowering.module)
    case .c: lowering.source.source
    case .llvm: try compiler.llvmIR(of: lowering)
    case .asm: try compiler.assembly(of: lowering)
    }
  }
}
