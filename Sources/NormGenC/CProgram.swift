import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The C around the row programs and products of a kernel with matmuls: which rows and which
/// columns each call handles, and where the panels lie.
struct CProgram {
  let program: LoopProgram
  let symbol: String
  let target: Target
  private var names: CNames
  /// The function of each multiplication, in order.
  private let products: [CMatmul]

  /// The names that the driver's functions use themselves.
  private static let reserved: Set<String> = [
    "scratch", "phase", "part", "parts", "panels", "steps", "count", "gathered", "tiles", "blocks",
    "size", "end",
  ]

  init(
    _ program: LoopProgram, symbol: String, target: Target, library: SupportLibrary
  ) {
    self.program = program
    self.symbol = symbol
    self.target = target
    self.names = CNames(
      buffers: program.buffers, symbol: symbol, library: library, reserved: CProgram.reserved)
    self.products = CMatmul.all(of: program, symbol: symbol, target: target)
  }

  /// The function of a row program.
  static func symbol(of kernel: LoopKernel, in program: LoopProgram, symbol: String) -> String {
    symbol + kernel.name.dropFirst(program.name.count)
  }

  // MARK: Products

  /// The functions that multiply and pack, each once.
  func productFunctions() throws(TemplateError) -> [String] {
    var texts: [String] = []
    var seen: Set<String> = []
    for product in products {
      for text in try product.definitions() where seen.insert(text).inserted {
        texts.append(text)
      }
    }
    return texts
  }

  /// Whether weights are gathered while the kernel runs.
  private var gathers: Bool { program.multiplications.contains { !$0.isPacked } }

  /// Bytes of one part's gathered weights.
  private var gatheredBytes: Int {
    products.filter { !$0.product.isPacked }.map(\.gatheredBytes).max() ?? 0
  }

  private var bytesPerRow: Int { program.panels.map(\.bytesPerRow).reduce(0, +) }

  // MARK: The driver

  /// The functions that divide the work.
  mutating func driver() -> [String] {
    [
      phases(), scratchBytes(), block(), part(),
      [contract(), prototype(symbol, isRestricted: false, last: ["void *scratch"]) + " {"]
        + CLayout.wrapped(call("\(symbol)_part", ["scratch", "0", "0", "1"]), depth: 1) + ["}"],
      [entryPrototype + " {"] + entryBody() + ["}"],
    ].map { $0.joined(separator: "\n") }
  }

  private func phases() -> [String] {
    [
      "// The phases of a call that `parts` threads share: with few rows they share every step, with",
      "// many each takes rows of its own through all of them.",
      "int64_t \(symbol)_phases(int64_t rows, int64_t parts) {",
      "  return parts > 1 && rows <= \(program.blockRows) ? \(program.steps.count) : 1;", "}",
    ]
  }

  private func scratchBytes() -> [String] {
    let gathered = gatheredBytes > 0 ? " + parts * \(gatheredBytes)" : ""
    return [
      "// The bytes of scratch memory of such a call.",
      "int64_t \(symbol)_scratch_bytes(int64_t rows, int64_t parts) {",
      "  const int64_t block = rows < \(program.blockRows) ? rows : \(program.blockRows);",
      "  const int64_t copies = \(symbol)_phases(rows, parts) > 1 ? 1 : parts;",
      "  return copies * block * \(bytesPerRow)\(gathered) + 64;", "}",
    ]
  }

  /// A block of rows through all steps, or one step of it that parts share.
  private mutating func block() -> [String] {
    var lines = [
      "// The steps, a bit each, of a block of rows; parts share its rows and the products' columns.",
      prototype(
        "\(symbol)_block", isRestricted: false, prefix: "static void",
        last: ["char *panels"] + (gathers ? ["void *gathered"] : []) + [
          "int steps", "int64_t part", "int64_t parts",
        ]) + " {",
      "  const int64_t row = rows * part / parts;",
      "  const int64_t count = rows * (part + 1) / parts - row;",
    ]
    var offset = 0
    for panel in program.panels {
      let type = CExpression.elementType(panel.storage, isConstant: false)
      let place = offset == 0 ? "panels" : "(panels + rows * \(offset))"
      lines.append("  \(type)*\(names(panel.name)) = (\(type)*)\(place);")
      offset += panel.bytesPerRow
    }
    var remaining = products[...]
    for (number, step) in program.steps.enumerated() {
      lines.append("  if (steps & \(1 << number)) {")
      switch step {
      case .rows(let kernels):
        for kernel in kernels { lines += CLayout.wrapped(call(kernel), depth: 2) }
      case .multiply(let multiplications):
        for product in remaining.prefix(multiplications.count) {
          var arguments = [
            "rows", names(product.product.x), names(product.product.weights),
            names(product.product.sums),
          ]
          if !product.product.isPacked { arguments.append("gathered") }
          arguments += [
            "\(product.panels) * part / parts", "\(product.panels) * (part + 1) / parts",
          ]
          lines += CLayout.wrapped(
            "\(product.name)(\(arguments.joined(separator: ", ")));", depth: 2)
        }
        remaining = remaining.dropFirst(multiplications.count)
      }
      lines.append("  }")
    }
    return lines + ["}"]
  }

  /// A row program's call for the rows of this part.
  private mutating func call(_ kernel: LoopKernel) -> String {
    var arguments = ["count"]
    for buffer in kernel.buffers {
      let view = program.views.first { $0.name == buffer.name }
      let base = view?.base ?? buffer.name
      var name = names(base)
      if let view, view.offset > 0 { name += " + \(view.offset)" }
      guard buffer.shape.hasRows else {
        arguments.append(name)
        continue
      }
      let panel = program.panels.first { $0.name == base }
      let stride = panel.map { "\($0.stride)" } ?? CNames.stride(of: names(base))
      arguments += ["\(name) + row * \(stride)", stride]
    }
    let name = CProgram.symbol(of: kernel, in: program, symbol: symbol)
    return "\(name)(\(arguments.joined(separator: ", ")));"
  }

  private mutating func part() -> [String] {
    let tile = target.matmulTile.rows
    let all = (1 << program.steps.count) - 1
    var lines = [
      "// What part `part` of `parts` does in a phase. All parts of a phase may run at once; the next",
      "// phase begins when they have ended.",
      prototype(
        "\(symbol)_part", isRestricted: false,
        last: ["void *scratch", "int64_t phase", "int64_t part", "int64_t parts"]) + " {",
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
      call("\(symbol)_block", ["panels"] + gathered + ["1 << phase", "part", "parts"]), depth: 2)
    lines += [
      "    return;", "  }",
      "  // Whole tiles of \(tile) rows for each part, in blocks of about the same size.",
      "  const int64_t tiles = (rows + \(tile - 1)) / \(tile);",
      "  int64_t row = tiles * part / parts * \(tile);",
      "  int64_t end = tiles * (part + 1) / parts * \(tile);",
      "  if (end > rows) end = rows;",
      "  if (row >= end) return;",
      "  panels += part * (rows < \(program.blockRows) ? rows : \(program.blockRows)) * \(bytesPerRow);",
      "  const int64_t blocks = (end - row + \(program.blockRows - 1)) / \(program.blockRows);",
      "  const int64_t size = ((end - row + blocks - 1) / blocks + \(tile - 1)) / \(tile) * \(tile);",
      "  for (; row < end; row += size) {",
      "    const int64_t count = end - row < size ? end - row : size;",
    ]
    lines += CLayout.wrapped(
      call(
        "\(symbol)_block", ["panels"] + gathered + ["\(all)", "0", "1"], rows: "count",
        offset: "row"), depth: 2)
    return lines + ["  }", "}"]
  }

  /// A call that hands the parameters on, moved to a row.
  private mutating func call(
    _ name: String, _ last: [String], rows: String = "rows", offset: String? = nil
  ) -> String {
    var arguments = [rows]
    for buffer in program.buffers {
      let name = names(buffer.name)
      guard buffer.shape.hasRows else {
        arguments.append(name)
        continue
      }
      let stride = CNames.stride(of: name)
      arguments += [offset.map { "\(name) + \($0) * \(stride)" } ?? name, stride]
    }
    return "\(name)(\((arguments + last).joined(separator: ", ")));"
  }

  // MARK: Declarations

  private mutating func prototype(
    _ name: String, isRestricted: Bool, prefix: String = "void", last: [String]
  ) -> String {
    var parameters = ["int64_t rows"]
    for buffer in program.buffers {
      let type = CExpression.elementType(buffer.storage, isConstant: !buffer.isOutput)
      let parameter = names(buffer.name)
      parameters.append("\(type)*\(isRestricted ? "restrict " : "")\(parameter)")
      if buffer.shape.hasRows { parameters.append("int64_t \(CNames.stride(of: parameter))") }
    }
    let text = "\(prefix) \(name)(\((parameters + last).joined(separator: ", ")))"
    return CLayout.wrapped(text, depth: 0).joined(separator: "\n")
  }

  /// The declarations in the header.
  mutating func prototypes() -> String {
    var lines = [
      prototype(symbol, isRestricted: false, last: ["void *scratch"]) + ";", "",
      "/*",
      " * The same by `parts` threads: every phase from 0 to \(symbol)_phases - 1 in order,",
      " * each with all parts from 0 to parts - 1, at once or one after the other. The bits do not",
      " * depend on the number of parts.",
      " */",
      prototype(
        "\(symbol)_part", isRestricted: false,
        last: ["void *scratch", "int64_t phase", "int64_t part", "int64_t parts"]) + ";",
      "int64_t \(symbol)_phases(int64_t rows, int64_t parts);",
      "int64_t \(symbol)_scratch_bytes(int64_t rows, int64_t parts);",
    ]
    var seen: Set<String> = []
    for product in products where product.product.isPacked {
      guard seen.insert(product.product.weights).inserted else { continue }
      lines += ["", product.packContract, product.packPrototype + ";"]
    }
    return lines.joined(separator: "\n")
  }

  /// What the header and the definition say.
  mutating func contract() -> String {
    var notes: [String: String] = [:]
    for product in products where product.product.isPacked {
      notes[product.product.weights] = "as \(product.packName) leaves them"
    }
    var lines = ["/*", " * \(symbol) of `rows` rows; with none, nothing is read or written.", " *"]
    lines += CContract.parameters(program.buffers, names: names, notes: notes)
    lines += [
      " *",
      " * scratch: \(symbol)_scratch_bytes(rows, 1) bytes of any alignment that nobody else uses.",
    ]
    return (lines + CContract.rules + [" */"]).joined(separator: "\n")
  }

  /// The declaration for callers with arrays of parameters.
  var entryPrototype: String {
    let text =
      "void \(symbol)_entry(int64_t rows, void *const *buffers, const int64_t *strides, "
      + "void *scratch, int64_t phase, int64_t part, int64_t parts)"
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
