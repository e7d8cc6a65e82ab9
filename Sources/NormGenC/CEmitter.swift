public import NormGenIR
public import NormGenLoops
public import NormGenSchedule
import NormGenTemplates

/// Lowers loops to C, the only thing that is ever compiled.
public struct CEmitter {
  private let graph: Graph
  private let target: Target
  private let library: SupportLibrary
  private let symbol: String

  /// The C of a kernel.
  ///
  /// - Parameters:
  ///   - module: The functions.
  ///   - program: The loops that they were lowered from.
  ///   - graph: The graph, printed at the head of the file.
  ///   - target: The instruction set, with as many lanes as the loops.
  ///   - schedules: The schedule that was applied to each of the program's row programs.
  ///   - command: The command that emits the file again.
  /// - Throws: ``TemplateError`` when a template and the emitter do not fit.
  public static func source(
    of module: LoopModule, program: LoopProgram, graph: Graph, target: Target,
    schedules: [Schedule], command: String
  ) throws(TemplateError) -> CSource {
    let emitter = try CEmitter(graph, target)
    let printer = CModule(
      module, hasTotals: !program.totals.isEmpty, library: emitter.library,
      unrollsTiles: target.architecture != nil)
    let functions = Functions(
      contract: printer.contract(), prototypes: printer.prototypes(),
      entry: printer.entryPrototype(end: ";"),
      definitions: (printer.definitions() + printer.entries())
        .joined(separator: "\n\n"),
      keepsLoops: program.division != .rows)
    let strategy = schedules.first?.strategy ?? Schedule().strategy
    return try emitter.source(
      functions, summary: program.summary, strategy: strategy, command: command)
  }

  /// A kernel's functions as text.
  struct Functions {
    /// What the header says of them.
    var contract: String
    /// The declarations of the kernel and what goes with it.
    var prototypes: String
    /// The declaration for callers with arrays of parameters.
    var entry: String
    /// The definitions.
    var definitions: String
    /// Whether compilers would call the C library's memcpy or memset for some of the loops.
    var keepsLoops = false
  }

  private init(_ graph: Graph, _ target: Target) throws(TemplateError) {
    self.graph = graph
    self.target = target
    self.library = try SupportLibrary.of(target: target)
    self.symbol = "\(graph.name)_\(target.name)"
  }

  private func source(
    _ functions: Functions, summary: [String], strategy: String, command: String
  ) throws(TemplateError) -> CSource {
    let text = GraphPrinter.text(of: graph).split(separator: "\n").map { " *   " + $0 }
    var schedule = CLayout.words(
      "Schedule \(strategy): \(summary.first ?? "").", first: " *", next: " *  ")
    for line in summary.dropFirst() {
      schedule += CLayout.words(line, first: " *  ", next: " *     ")
    }
    let title = CLayout.words(
      "\(symbol): a kernel for \(target.name), emitted by NormGen. Regenerate with", first: " *",
      next: " *")
    let source = try TemplateRenderer.rendered(
      .kernelSource,
      [
        "title": title.joined(separator: "\n"), "name": symbol, "machine": target.machineCondition,
        "command": command,
        "text": text.joined(separator: "\n"), "schedule": schedule.joined(separator: "\n"),
        "support": library.definitions(reachedFrom: functions.definitions),
        "function": functions.definitions,
        "loops": functions.keepsLoops ? CRegion.keepLoops.begin : "",
        "enable": target.featureRegion.begin,
        "disable": target.featureRegion.end
          + (functions.keepsLoops ? CRegion.keepLoops.end : ""),
      ])
    let header = try TemplateRenderer.rendered(
      .kernelHeader,
      [
        "name": symbol, "machine": target.machineCondition, "command": command,
        "guard": CReserved.headerGuard(of: symbol),
        "contract": functions.contract, "prototype": functions.prototypes,
        "entry": functions.entry,
      ])
    return CSource(
      name: symbol, target: target.name, source: source, header: header,
      definitions: functions.definitions, keepsLoops: functions.keepsLoops)
  }
}

/// What a kernel's comment says about its parameters.
enum CContract {
  /// What the function does.
  static func head(_ symbol: String, hasTotals: Bool = false) -> [String] {
    let none =
      hasTotals
      ? "only what is taken over all rows is written: sums are 0, means NaN"
      : "nothing is read or written"
    return ["/*"]
      + CLayout.words(
        "\(symbol) of `rows` rows; with none, \(none).", first: " *", next: " *") + [" *"]
  }

  /// A parameter by its names in C.
  struct Parameter {
    let buffer: Buffer
    let name: String
    let stride: String
    /// What else there is to say of it.
    var note: String?
  }

  /// A line for each parameter.
  static func parameters(_ parameters: [Parameter]) -> [String] {
    let width = parameters.map(\.name.count).max() ?? 0
    return parameters.flatMap { parameter -> [String] in
      let buffer = parameter.buffer
      let padded = parameter.name + String(repeating: " ", count: width - parameter.name.count)
      var line = " *   \(padded)  \(buffer.storage.rawValue) \(buffer.shape)"
      if buffer.isOutput { line += ", written" }
      if buffer.shape.hasRows { line += "; \(parameter.stride) elements from row to row" }
      guard let note = parameter.note else { return [line] }
      line += ";"
      guard line.count + 1 + note.count > CLayout.width else { return ["\(line) \(note)"] }
      return [line, " *     " + String(repeating: " ", count: width) + note]
    }
  }

  /// What holds for all of them, which have these types.
  static func rules(_ storages: [DType]) -> [String] {
    let lines = [
      " * Any element's alignment will do. A stride is at least a row's elements. No output may overlap",
      " * another parameter. bf16 and f16 elements are passed as their bits.",
    ]
    let small = [DType.f8E4M3, .f8E5M2].filter(storages.contains).map(\.rawValue)
    guard !small.isEmpty else { return lines }
    return lines + [" * So are \(small.joined(separator: " and ")) elements."]
  }
}
