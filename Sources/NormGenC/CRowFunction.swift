import NormGenIR
import NormGenLoops
import NormGenLowering
import NormGenSchedule

/// The C function of one row program.
struct CRowFunction {
  let kernel: LoopKernel
  private let target: Target
  private let schedule: Schedule
  private let symbol: String
  var names: CNames
  private let streamed: [StreamedOutput]
  /// Whether the function is told the rows of the whole call after those it handles.
  private let takesAllRows: Bool

  /// - Parameter reserved: Names of the file's other functions.
  init(
    _ kernel: LoopKernel, symbol: String, target: Target, schedule: Schedule,
    library: SupportLibrary, reserved: Set<String> = [], takesAllRows: Bool = false
  ) {
    self.takesAllRows = takesAllRows
    self.kernel = kernel
    self.target = target
    self.schedule = schedule
    self.symbol = symbol
    self.names = CNames(
      buffers: kernel.buffers, symbol: symbol, library: library,
      reserved: kernel.indexNames.union(reserved))
    self.streamed = StreamedOutput.all(of: kernel, schedule: schedule, target: target)
  }

  /// The function, after what stands over it.
  mutating func lines(under head: [String], prefix: String) -> [String] {
    var statements = CStatements(
      kernel: kernel, names: names, streamed: Set(streamed.map(\.pointer.name)))
    let body = statements.lines(kernel.row, depth: kernel.tile > 1 ? 1 : 2)
    names = statements.expressions.names
    var lines: [String] = []
    if kernel.tile > 1 { lines += tileFunction(body) + [""] }
    lines += head
    lines.append(
      prototype(
        name: symbol, isRestricted: true, prefix: prefix,
        last: takesAllRows ? ["int64_t all_rows"] : [], end: " {"))
    if !streamed.isEmpty { lines += streamDefinition() }
    if kernel.tile > 1 {
      lines += tileLoops()
    } else {
      lines += ["  for (int64_t row = 0; row < rows; ++row) {"] + body + ["  }"]
    }
    if !streamed.isEmpty { lines += ["  if (stream) finish_streams();"] }
    return lines + ["}"]
  }

  /// The function for a tile, compiled once for whole tiles and once for single rows.
  private mutating func tileFunction(_ body: [String]) -> [String] {
    let head = prototype(
      name: "\(symbol)_tile", isRestricted: true,
      prefix: "static inline __attribute__((always_inline)) void",
      takesRows: tileNeedsRows,
      last: ["int64_t first"] + (streamed.isEmpty ? [] : ["int stream"]) + ["const int tile"],
      end: " {")
    return ["// The rows from `first` on, as many as a tile has.", head]
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
    let isWhole = CTerm.name("row") + .number(kernel.tile) <= .name("rows")
    let start = [
      "  int64_t row = 0;",
      "  for (; \(isWhole.text); row += \(kernel.tile)) {",
    ]
    return start + call(kernel.tile) + ["  }", "  for (; row < rows; ++row) {"] + call(1) + ["  }"]
  }

  /// Whether this call's stores bypass the caches.
  private mutating func streamDefinition() -> [String] {
    let bytes = streamed.map(\.bytesPerRow).reduce(0, +)
    let least = ((schedule.streamingBytes ?? 0) + bytes - 1) / bytes
    var test = CTerm.name(takesAllRows ? "all_rows" : "rows") >= .number(least)
    for output in streamed {
      let stride = CTerm.name(names.stride(of: output.buffer.name))
      let bytes = (stride * .number(output.buffer.storage.byteCount)).cast(to: "uintptr_t")
      let start = CTerm.name(names(output.buffer.name)).cast(to: "uintptr_t")
      let alignment = CTerm.number(output.alignment(lanes: kernel.lanes))
      test = test && (start | bytes) % alignment == .number(0)
    }
    let threshold = schedule.streamingBytes ?? 0
    let size = threshold % (1 << 20) == 0 ? "\(threshold >> 20) MiB" : "\(threshold) bytes"
    return ["  // Outputs of \(size) and more bypass the caches where their rows are aligned."]
      + CLayout.wrapped("const int stream = \(test.text);", depth: 1)
  }

  /// What the function for a tile takes of the kernel's own parameters.
  private mutating func argumentNames() -> [String] {
    var result = tileNeedsRows ? ["rows"] : []
    for buffer in kernel.buffers {
      let name = names(buffer.name)
      result.append(name)
      if buffer.shape.hasRows { result.append(names.stride(of: buffer.name)) }
    }
    return result
  }

  mutating func prototype(
    name: String, isRestricted: Bool, prefix: String = "void", takesRows: Bool = true,
    last: [String] = [], end: String = ""
  ) -> String {
    var parameters = takesRows ? ["int64_t rows"] : []
    for buffer in kernel.buffers {
      let type = CExpression.elementType(buffer.storage, isConstant: !buffer.isOutput)
      let parameter = names(buffer.name)
      parameters.append("\(type)*\(isRestricted ? "restrict " : "")\(parameter)")
      if buffer.shape.hasRows { parameters.append("int64_t \(names.stride(of: buffer.name))") }
    }
    parameters += last
    let text = "\(prefix) \(name)(\(parameters.joined(separator: ", ")))\(end)"
    return CLayout.wrapped(text, depth: 0).joined(separator: "\n")
  }
}
