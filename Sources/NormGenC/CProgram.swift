import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The C around the row programs and products of a kernel with matmuls: which rows and which
/// columns each call handles, and where the panels lie.
struct CProgram {
  let program: LoopProgram
  let symbol: String
  let target: Target
  var names: CNames
  /// The row programs, by name, whose functions are told the rows of the whole call.
  var takesAllRows: Set<String> = []
  /// Functions that are written already.
  private var written: Set<String> = []
  /// Parameters whose packing function is written already.
  private var packed: Set<String> = []
  /// The functions of sums over rows.
  let totals: CTotals
  /// The functions of each multiplication, in order.
  private let products: [CMatmul]
  /// The first of each step's multiplications.
  private let firstProducts: [Int]
  private let views: [String: LoopProgram.View]
  private let panels: [String: Panel]
  /// The functions of the row programs, by the programs' names.
  private let functions: [String: String]

  init(
    _ program: LoopProgram, symbol: String, target: Target, library: SupportLibrary
  ) {
    self.program = program
    self.symbol = symbol
    self.target = target
    self.products = CMatmul.all(of: program, symbol: symbol, target: target)
    self.totals = CTotals(program, target: target)
    self.views = Dictionary(
      program.views.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.panels = Dictionary(
      program.panels.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var firstProducts = [0]
    for step in program.steps {
      switch step {
      case .rows, .accumulate: firstProducts.append(firstProducts[firstProducts.count - 1])
      case .multiply(let multiplications):
        firstProducts.append(firstProducts[firstProducts.count - 1] + multiplications.count)
      }
    }
    self.firstProducts = firstProducts
    var functions: [String: String] = [:]
    for (number, step) in program.steps.enumerated() {
      switch step {
      case .multiply, .accumulate: break
      case .rows(let kernels):
        for (place, kernel) in kernels.enumerated() {
          let suffix = kernels.count > 1 ? "_\(place + 1)" : ""
          functions[kernel.name] = "step\(number + 1)\(suffix)"
        }
      }
    }
    self.functions = functions
    self.names = CNames(
      buffers: program.buffers, symbol: symbol, library: library,
      reserved: CReserved.driver.union(LoopIndex.names).union(products.flatMap(\.names))
        .union(functions.values).union(totals.names))
  }

  /// The function of a row program.
  func name(of kernel: LoopKernel) -> String { functions[kernel.name] ?? kernel.name }

  // MARK: Products

  /// The functions that multiply and pack in a step, without those of the steps before.
  mutating func productFunctions(ofStep number: Int) throws(TemplateError) -> [String] {
    switch program.steps[number] {
    case .rows: return []
    case .accumulate(let accumulations):
      return try totals.functions(of: accumulations).filter { written.insert($0).inserted }
    case .multiply: break
    }
    var texts: [String] = []
    for product in products[firstProducts[number]..<firstProducts[number + 1]] {
      // Weights of several products are packed once.
      let packs = product.product.isPacked && packed.insert(product.packName).inserted
      for text in try product.definitions(packs: packs) where written.insert(text).inserted {
        texts.append(text)
      }
    }
    return texts
  }

  /// Whether weights or factors are gathered while the kernel runs.
  var gathers: Bool { gatheredBytes > 0 }

  /// Bytes of what one part gathers, weights or factors.
  var gatheredBytes: Int {
    max(
      products.filter { !$0.product.isPacked }.map(\.gatheredBytes).max() ?? 0,
      totals.gatheredBytes)
  }

  var bytesPerRow: Int { program.panels.map(\.bytesPerRow).reduce(0, +) }

  // MARK: The driver

  /// The functions that divide the work.
  mutating func driver() -> [String] {
    var functions = [phases(), scratchBytes()]
    let whole: [String]
    if program.totals.isEmpty {
      functions += [runSteps(), part()]
      whole = CLayout.wrapped(call("\(symbol)_part", ["scratch", "0", "0", "1"]), depth: 1)
    } else {
      if program.sharesBlocks { functions.append(runSteps()) }
      functions += program.totals.map { [totals.store($0)] } + [totalPart()]
      whole =
        ["  for (int64_t phase = 0; phase < \(symbol)_phases(rows, 1); ++phase) {"]
        + CLayout.wrapped(call("\(symbol)_part", ["scratch", "phase", "0", "1"]), depth: 2) + [
          "  }"
        ]
    }
    functions += [
      [contract(), prototype(symbol, last: ["void *scratch"], end: " {")] + whole + ["}"],
      [entryPrototype(end: " {")] + entryBody() + ["}"],
    ]
    return functions.map { $0.joined(separator: "\n") }
  }

  private func phases() -> [String] {
    guard program.totals.isEmpty else { return totalPhases() }
    return [
      "// The phases of a call that `parts` threads share: with few rows they share every step, with",
      "// many each takes rows of its own through all of them.",
      "int64_t \(symbol)_phases(int64_t rows, int64_t parts) {",
      "  return parts > 1 && rows <= \(program.blockRows) ? \(program.steps.count) : 1;", "}",
    ]
  }

  private func scratchBytes() -> [String] {
    guard program.totals.isEmpty else { return totalScratchBytes() }
    let gathered = gatheredBytes > 0 ? " + parts * \(gatheredBytes)" : ""
    return [
      "// The bytes of scratch memory of such a call.",
      "int64_t \(symbol)_scratch_bytes(int64_t rows, int64_t parts) {",
      "  const int64_t block = rows < \(program.blockRows) ? rows : \(program.blockRows);",
    ]
      + CLayout.wrapped(
        "const int64_t copies = \(symbol)_phases(rows, parts) > 1 ? 1 : parts;", depth: 1)
      + ["  return copies * block * \(bytesPerRow)\(gathered) + 64;", "}"]
  }

  /// A block of rows through all steps, or one step of it that parts share.
  private mutating func runSteps() -> [String] {
    let bounds = CProgram.bounds(of: .name("rows"))
    var lines = [
      "// The steps from `first_step` up to `end_step`, counted from 0, for a block of rows; parts share",
      "// its rows and the products' columns.",
      prototype(
        CReserved.runSteps, prefix: "static void",
        last: ["char *panels"] + (gathers ? ["void *gathered"] : [])
          + (program.totalStride > 0 ? ["float *sums"] : [])
          + (program.totals.isEmpty ? [] : ["int is_first"]) + [
            "int64_t first_step", "int64_t end_step", "int64_t part", "int64_t parts",
          ], end: " {"),
      "  const int64_t row = \(bounds.first.text);",
      "  const int64_t count = \((bounds.end - .name("row")).text);",
    ]
    var offset = 0
    for panel in program.panels {
      let type = CExpression.elementType(panel.storage, isConstant: false)
      let base = CTerm.name("panels")
      let place =
        offset == 0 ? base : base.displaced(by: .name("rows") * .number(offset))
      lines.append("  \(type)*\(names(panel.name)) = \(place.cast(to: "\(type)*").text);")
      offset += panel.bytesPerRow
    }
    lines += [
      "  for (int64_t step = first_step; step < end_step; ++step) {", "    switch (step) {",
    ]
    var remaining = products[...]
    for (number, step) in program.steps.enumerated() {
      lines.append("    case \(number):")
      switch step {
      case .rows(let kernels):
        for kernel in kernels { lines += CLayout.wrapped(call(kernel), depth: 3) }
      case .accumulate(let accumulations):
        for accumulation in accumulations { lines += CLayout.wrapped(call(accumulation), depth: 3) }
      case .multiply(let multiplications):
        for product in remaining.prefix(multiplications.count) {
          var arguments: [CTerm] = [
            .name("rows"), .name(names(product.product.x)), .name(names(product.product.weights)),
            .name(names(product.product.sums)),
          ]
          if !product.product.isPacked { arguments.append(.name("gathered")) }
          let bounds = CProgram.bounds(of: .number(product.panels))
          arguments += [bounds.first, bounds.end]
          lines += CLayout.wrapped(CTerm.call(product.name, arguments).text + ";", depth: 3)
        }
        remaining = remaining.dropFirst(multiplications.count)
      }
      lines.append("      break;")
    }
    return lines + ["    }", "  }", "}"]
  }

  /// A row program's call for the rows of this part.
  mutating func call(_ kernel: LoopKernel) -> String {
    var arguments = [CTerm.name("count")]
    for buffer in kernel.buffers {
      if buffer.isAccumulated {
        let sums = CTerm.name("block_sums")
        let offset = totals.offset(of: buffer.name)
        arguments.append(offset > 0 ? sums.displaced(by: .number(offset)) : sums)
        continue
      }
      let view = views[buffer.name]
      let base = view?.base ?? buffer.name
      var place = CTerm.name(names(base))
      if let view, view.offset > 0 { place = place.displaced(by: .number(view.offset)) }
      guard buffer.shape.hasRows else {
        arguments.append(place)
        continue
      }
      let panel = panels[base]
      let stride = panel.map { CTerm.number($0.stride) } ?? .name(names.stride(of: base))
      arguments += [place.displaced(by: .name("row") * stride), stride]
    }
    if takesAllRows.contains(kernel.name) { arguments.append(.name("rows")) }
    return CTerm.call(name(of: kernel), arguments).text + ";"
  }

  private mutating func part() -> [String] {
    let bounds = CProgram.bounds(of: .name("rows"))
    let tile = target.matmulTile.rows
    let blockRows = program.blockRows
    var lines = [
      "// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next",
      "// phase begins when they have ended.",
      partPrototype(end: " {"),
      "  if (rows < 1) return;",
      "  char *panels = (char *)(((uintptr_t)scratch + 63) / 64 * 64);",
    ]
    let gathered = gathers ? ["gathered"] : []
    if gathers {
      lines += [
        "  void *gathered = panels + part * \(gatheredBytes);",
        "  panels += parts * \(gatheredBytes);",
      ]
    }
    lines.append("  if (\(symbol)_phases(rows, parts) > 1) {")
    lines += CLayout.wrapped(
      call(CReserved.runSteps, ["panels"] + gathered + ["phase", "phase + 1", "part", "parts"]),
      depth: 2)
    lines += [
      "    return;", "  }",
      "  // As many rows for each part, in blocks of about the same size, whole tiles of \(tile).",
      "  int64_t row = \(bounds.first.text);",
      "  const int64_t end = \(bounds.end.text);",
      "  if (row >= end) return;",
      "  panels += part * (rows < \(blockRows) ? rows : \(blockRows)) * \(bytesPerRow);",
      "  const int64_t blocks = (end - row + \(blockRows - 1)) / \(blockRows);",
      "  const int64_t size = ((end - row + blocks - 1) / blocks + \(tile - 1)) / \(tile) * \(tile);",
      "  for (; row < end; row += size) {",
      "    const int64_t count = end - row < size ? end - row : size;",
    ]
    lines += CLayout.wrapped(
      call(
        CReserved.runSteps, ["panels"] + gathered + ["0", "\(program.steps.count)", "0", "1"],
        rows: "count",
        offset: "row"), depth: 2)
    return lines + ["  }", "}"]
  }

  /// The parameters that a function takes: the steps leave totals in `sums`, not in outputs.
  private func taken(by function: String) -> [Buffer] {
    guard function == CReserved.runSteps else { return program.buffers }
    let stored = Set(program.totals.filter { !$0.isDirect }.flatMap(\.outputs))
    return program.buffers.filter { !stored.contains($0.name) }
  }

  /// A call that hands the parameters on, moved to a row.
  mutating func call(
    _ name: String, _ last: [String], rows: String = "rows", offset: String? = nil
  ) -> String {
    var arguments = [rows]
    for buffer in taken(by: name) {
      let place = CTerm.name(names(buffer.name))
      guard buffer.shape.hasRows else {
        arguments.append(place.text)
        continue
      }
      let stride = CTerm.name(names.stride(of: buffer.name))
      let moved = offset.map { place.displaced(by: .name($0) * stride) } ?? place
      arguments += [moved.text, stride.text]
    }
    return "\(name)(\((arguments + last).joined(separator: ", ")));"
  }

  /// Where this part's share of `count` things begins and ends.
  static func bounds(of count: CTerm) -> (first: CTerm, end: CTerm) {
    func begin(_ part: CTerm) -> CTerm { .call("begin_of_part", [count, part, .name("parts")]) }
    return (begin(.name("part")), begin(.name("part") + .number(1)))
  }

  // MARK: Declarations

  mutating func partPrototype(end: String) -> String {
    prototype(
      "\(symbol)_part",
      last: ["void *scratch", "int64_t phase", "int64_t part", "int64_t parts"], end: end)
  }

  private mutating func prototype(
    _ name: String, prefix: String = "void", last: [String], end: String
  ) -> String {
    var parameters = ["int64_t rows"]
    for buffer in taken(by: name) {
      let type = CExpression.elementType(buffer.storage, isConstant: !buffer.isOutput)
      let parameter = names(buffer.name)
      parameters.append("\(type)*\(parameter)")
      if buffer.shape.hasRows { parameters.append("int64_t \(names.stride(of: buffer.name))") }
    }
    let text = "\(prefix) \(name)(\((parameters + last).joined(separator: ", ")))\(end)"
    return CLayout.wrapped(text, depth: 0).joined(separator: "\n")
  }

  /// The declarations in the header.
  mutating func prototypes() -> String {
    var lines = [prototype(symbol, last: ["void *scratch"], end: ";"), "", "/*"]
    lines += CLayout.words(
      "The same by `parts` threads: every phase from 0 to \(symbol)_phases(rows, parts) - 1 in "
        + "order, each with all parts from 0 to parts - 1, at once or one after the other, on "
        + "scratch memory of \(symbol)_scratch_bytes(rows, parts) bytes. The bits do not depend on "
        + "the number of parts.", first: " *", next: " *")
    lines += [
      " */", partPrototype(end: ";"),
      "int64_t \(symbol)_phases(int64_t rows, int64_t parts);",
      "int64_t \(symbol)_scratch_bytes(int64_t rows, int64_t parts);",
    ]
    var seen: Set<String> = []
    for product in products where product.product.isPacked {
      guard seen.insert(product.product.weights).inserted else { continue }
      lines += ["", product.packContract, product.packPrototype(end: ";")]
    }
    return lines.joined(separator: "\n")
  }

  /// What the header and the definition say.
  mutating func contract() -> String {
    var notes: [String: String] = [:]
    for product in products where product.product.isPacked {
      notes[product.product.weights] = "as \(product.packName) leaves them"
    }
    var lines = CContract.head(symbol, hasTotals: !program.totals.isEmpty)
    lines += CContract.parameters(program.buffers, names: names, notes: notes)
    lines += [
      " *"
    ]
    lines += CLayout.words(
      "scratch: \(symbol)_scratch_bytes(rows, 1) bytes of any alignment that nobody else uses.",
      first: " *", next: " *")
    return (lines + CContract.rules + [" */"]).joined(separator: "\n")
  }

  /// The declaration for callers with arrays of parameters.
  func entryPrototype(end: String) -> String {
    let text =
      "void \(symbol)_entry(int64_t rows, void *const *buffers, const int64_t *strides, "
      + "void *scratch, int64_t phase, int64_t part, int64_t parts)\(end)"
    return CLayout.wrapped(text, depth: 0).joined(separator: "\n")
  }

  private func entryBody() -> [String] {
    var arguments = ["rows"]
    for (index, buffer) in program.buffers.enumerated() {
      arguments.append("buffers[\(index)]")
      if buffer.shape.hasRows { arguments.append("strides[\(index)]") }
    }
    arguments += ["scratch", "phase", "part", "parts"]
    return CLayout.wrapped("\(symbol)_part(\(arguments.joined(separator: ", ")));", depth: 1)
  }
}
