public import NormGenIR
public import NormGenLoops
public import NormGenSchedule
import NormGenTemplates

/// Lowers loops to C, the only thing that is ever compiled.
public struct CEmitter {
  private let kernel: LoopKernel
  private let graph: Graph
  private let target: Target
  private let schedule: Schedule
  private let library: SupportLibrary
  private var names: CNames
  private let streamed: [StreamedOutput]
  private let symbol: String

  /// The C of a kernel.
  ///
  /// - Parameters:
  ///   - kernel: The loops.
  ///   - graph: The graph they were lowered from, printed at the head of the file.
  ///   - target: The instruction set, with as many lanes as the loops.
  ///   - schedule: The schedule that was applied.
  ///   - command: The command that emits the file again.
  /// - Throws: ``TemplateError`` when a template and the emitter do not fit.
  public static func source(
    of kernel: LoopKernel, graph: Graph, target: Target, schedule: Schedule, command: String
  ) throws(TemplateError) -> CSource {
    var emitter = try CEmitter(kernel, graph, target, schedule)
    return try emitter.source(command: command)
  }

  private init(
    _ kernel: LoopKernel, _ graph: Graph, _ target: Target, _ schedule: Schedule
  ) throws(TemplateError) {
    self.kernel = kernel
    self.graph = graph
    self.target = target
    self.schedule = schedule
    self.library = try SupportLibrary.of(target: target.name)
    self.symbol = "\(kernel.name)_\(target.name)"
    self.names = CNames(kernel: kernel, symbol: symbol, library: library)
    let streams = target.hasStreamingStores && schedule.streamingBytes != nil
    self.streamed = streams ? StreamedOutput.all(of: kernel) : []
  }

  private mutating func source(command: String) throws(TemplateError) -> CSource {
    let contract = self.contract()
    let function = self.function(contract: contract)
    let text = GraphPrinter.text(of: graph).split(separator: "\n").map { " *   " + $0 }
    let scheduleLines = scheduleLines()
    let source = try TemplateRenderer.rendered(
      .kernelSource,
      [
        "name": symbol, "machine": machine,
        "target": target.name, "command": command,
        "text": text.joined(separator: "\n"), "schedule": scheduleLines.joined(separator: "\n"),
        "support": library.definitions(reachedFrom: function),
        "function": function, "enable": enable, "disable": disable,
      ])
    let header = try TemplateRenderer.rendered(
      .kernelHeader,
      [
        "name": symbol, "machine": machine, "command": command,
        "guard": "NORMGEN_\(symbol)_H",
        "contract": contract, "prototype": prototype(name: symbol, isRestricted: false),
        "entry": entryPrototype,
      ])
    return CSource(name: symbol, target: target.name, source: source, header: header)
  }

  /// What must hold for the file to be more than empty.
  private var machine: String { target.guardMacro.map { "defined(\($0))" } ?? "1" }

  /// Lines that let the compiler use the target's instructions whatever its flags say.
  private var enable: String {
    guard let features = target.functionFeatures else { return "" }
    return """

      #if defined(__clang__)
      #pragma clang attribute push(__attribute__((target("\(features)"))), apply_to = function)
      #elif defined(__GNUC__)
      #pragma GCC target("\(features)")
      #endif

      """
  }

  private var disable: String {
    guard target.functionFeatures != nil else { return "" }
    return """

      #if defined(__clang__)
      #pragma clang attribute pop
      #endif

      """
  }

  private func scheduleLines() -> [String] {
    var lines = CLayout.words(
      "Schedule \(schedule.strategy): \(kernel.summary.first ?? "").", first: " *", next: " *  ")
    for line in kernel.summary.dropFirst() { lines.append(" *   \(line)") }
    return lines
  }

  // MARK: The function

  private mutating func function(contract: String) -> String {
    var statements = CStatements(
      kernel: kernel, names: names, streamed: Set(streamed.map(\.pointer.name)))
    let body = statements.lines(kernel.row, depth: kernel.tile > 1 ? 1 : 2)
    names = statements.expressions.names
    var lines: [String] = []
    if kernel.tile > 1 { lines += tileFunction(body) + [""] }
    lines += [contract, prototype(name: symbol, isRestricted: true) + " {"]
    if !streamed.isEmpty { lines += streamDefinition() }
    if kernel.tile > 1 {
      lines += tileLoops()
    } else {
      lines += ["  for (int64_t row = 0; row < rows; ++row) {"] + body + ["  }"]
    }
    if !streamed.isEmpty { lines += ["  if (stream) finish_streams();"] }
    lines += ["}", "", entryPrototype + " {"] + entryBody() + ["}"]
    return lines.joined(separator: "\n")
  }

  /// The function for a tile, compiled once for whole tiles and once for single rows.
  private mutating func tileFunction(_ body: [String]) -> [String] {
    let head = prototype(
      name: "\(symbol)_tile", isRestricted: true,
      prefix: "static inline __attribute__((always_inline)) void",
      takesRows: tileNeedsRows,
      last: ["int64_t first"] + (streamed.isEmpty ? [] : ["int stream"]) + ["const int tile"])
    return ["// The rows from `first` on, as many as a tile has.", head + " {"]
      + kernel.tileScalars.map { "  float \(names($0))[\(kernel.tile)];" } + body + ["}"]
  }

  /// A tile counts its own rows; only where the next row is asked for must it know the last one.
  private var tileNeedsRows: Bool { kernel.row.contains { $0.prefetches } }

  /// Whole tiles, then row by row.
  private mutating func tileLoops() -> [String] {
    let arguments = argumentNames() + ["row"] + (streamed.isEmpty ? [] : ["stream"])
    func call(_ tile: Int) -> [String] {
      CLayout.wrapped(
        "\(symbol)_tile(\((arguments + ["\(tile)"]).joined(separator: ", ")));", depth: 2)
    }
    let start = [
      "  int64_t row = 0;",
      "  for (; row + \(kernel.tile) <= rows; row += \(kernel.tile)) {",
    ]
    return start + call(kernel.tile) + ["  }", "  for (; row < rows; ++row) {"] + call(1) + ["  }"]
  }

  /// Whether this call's stores bypass the caches.
  private mutating func streamDefinition() -> [String] {
    let bytes = streamed.map(\.bytesPerRow).reduce(0, +)
    var tests = ["rows >= \(((schedule.streamingBytes ?? 0) + bytes - 1) / bytes)"]
    for output in streamed {
      let name = names(output.buffer.name)
      let size = output.buffer.storage.byteCount
      tests.append(
        "((uintptr_t)\(name) | (uintptr_t)(\(CNames.stride(of: name)) * \(size))) % "
          + "\(output.alignment(lanes: kernel.lanes)) == 0")
    }
    let threshold = schedule.streamingBytes ?? 0
    let size = threshold % (1 << 20) == 0 ? "\(threshold >> 20) MiB" : "\(threshold) bytes"
    return ["  // Outputs of \(size) and more bypass the caches where their rows are aligned."]
      + CLayout.wrapped("const int stream = \(tests.joined(separator: " && "));", depth: 1)
  }

  /// What the function for a tile takes of the kernel's own parameters.
  private mutating func argumentNames() -> [String] {
    var result = tileNeedsRows ? ["rows"] : []
    for buffer in kernel.buffers {
      let name = names(buffer.name)
      result.append(name)
      if buffer.shape.hasRows { result.append(CNames.stride(of: name)) }
    }
    return result
  }

  private mutating func prototype(
    name: String, isRestricted: Bool, prefix: String = "void", takesRows: Bool = true,
    last: [String] = []
  ) -> String {
    var parameters = takesRows ? ["int64_t rows"] : []
    for buffer in kernel.buffers {
      let type = CExpression.elementType(buffer.storage, isConstant: !buffer.isOutput)
      let parameter = names(buffer.name)
      parameters.append("\(type)*\(isRestricted ? "restrict " : "")\(parameter)")
      if buffer.shape.hasRows { parameters.append("int64_t \(CNames.stride(of: parameter))") }
    }
    parameters += last
    let text = "\(prefix) \(name)(\(parameters.joined(separator: ", ")))"
    return CLayout.wrapped(text, depth: 0).joined(separator: "\n")
  }

  private var entryPrototype: String {
    let text =
      "void \(symbol)_entry(int64_t rows, void *const *buffers, const int64_t *strides)"
    return CLayout.wrapped(text, depth: 0).joined(separator: "\n")
  }

  private func entryBody() -> [String] {
    var arguments = ["rows"]
    for (index, buffer) in kernel.buffers.enumerated() {
      arguments.append("buffers[\(index)]")
      if buffer.shape.hasRows { arguments.append("strides[\(index)]") }
    }
    return CLayout.wrapped("\(symbol)(\(arguments.joined(separator: ", ")));", depth: 1)
  }

  // MARK: The contract

  private mutating func contract() -> String {
    var lines = ["/*", " * \(symbol) of `rows` rows; with none, nothing is read or written.", " *"]
    let width = kernel.buffers.map { names($0.name).count }.max() ?? 0
    for buffer in kernel.buffers {
      let name = names(buffer.name)
      let padded = name + String(repeating: " ", count: width - name.count)
      var line = " *   \(padded)  \(buffer.storage.rawValue) \(buffer.shape)"
      if buffer.isOutput { line += ", written" }
      if buffer.shape.hasRows { line += "; \(CNames.stride(of: name)) elements from row to row" }
      lines.append(line)
    }
    lines += [
      " *",
      " * Any element's alignment will do. A stride is at least a row's elements. No output may overlap",
      " * another parameter. bf16 and f16 elements are passed as their bits.",
      " */",
    ]
    return lines.joined(separator: "\n")
  }
}
