import NormGenIR
import NormGenLoops
import NormGenSchedule
import NormGenTemplates

/// The C functions that sum over the rows of panels, and those that store totals in the end.
struct CTotals {
  private let program: LoopProgram
  private let target: Target
  private let panels: [String: Panel]
  private let totals: [String: Total]
  private let buffers: [String: Buffer]
  /// Elements before each total in the memory of one block's totals, and of all of them.
  private let offsets: [String: Int]
  private let stride: Int

  init(_ program: LoopProgram, target: Target) {
    self.program = program
    self.target = target
    panels = Dictionary(program.panels.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    totals = Dictionary(program.totals.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    var offsets: [String: Int] = [:]
    var stride = 0
    for total in program.totals {
      offsets[total.name] = stride
      if !total.isDirect { stride += total.stride }
    }
    self.offsets = offsets
    self.stride = stride
    buffers = Dictionary(program.buffers.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
  }

  // MARK: Names

  /// The function of an accumulation.
  func name(of accumulation: Accumulation) -> String { "add_\(accumulation.total)" }
  /// The function that stores a total.
  func name(of total: Total) -> String { "store_\(total.name)" }
  /// The function that multiplies one tile, the same for all outer sums.
  private let tileName = "outer_tile"

  /// All names that the functions take in the emitted file.
  var names: Set<String> {
    Set(
      program.accumulations.map { name(of: $0) } + [tileName]
        + program.totals.map { name(of: $0) })
  }

  /// Elements before each total in the memory of one block's totals.
  func offset(of name: String) -> Int { offsets[name] ?? stride }

  /// Whether a total's sums lie in its only output: that output's name.
  func directOutput(of name: String) -> String? {
    totals[name].flatMap { $0.isDirect ? $0.outputs.first : nil }
  }

  // MARK: Extents

  private var tile: MatmulTile { target.matmulTile }
  /// Rows of one result tile times rows of a block.
  private var xTileElements: Int { tile.rows * RowSumOrder.block }
  private var panelElements: Int { target.panelColumns * RowSumOrder.block }

  /// Tiles whose factors are gathered together: about 256 KiB, so that they stay in a second-level
  /// cache.
  private var chunk: Int { max((1 << 16) / xTileElements, 1) }

  private func tiles(_ rows: Int) -> Int { (rows + tile.rows - 1) / tile.rows }

  /// What parts of an accumulation are counted in.
  func units(of accumulation: Accumulation) -> Int {
    switch accumulation.terms {
    case .columns: ((totals[accumulation.total]?.count ?? 0) + target.lanes - 1) / target.lanes
    case .outer(_, _, _, let columns): (columns + target.panelColumns - 1) / target.panelColumns
    }
  }

  /// Bytes that one part gathers factors in.
  var gatheredBytes: Int {
    program.accumulations.map { accumulation in
      switch accumulation.terms {
      case .columns: 0
      case .outer(_, _, let rows, _):
        (panelElements + min(chunk, tiles(rows)) * xTileElements) * 4
      }
    }.max() ?? 0
  }

  // MARK: Functions

  /// The functions of one step.
  func functions(of accumulations: [Accumulation]) throws(TemplateError) -> [String] {
    var texts: [String] = []
    for accumulation in accumulations {
      switch accumulation.terms {
      case .columns(let x, let y, let repeats):
        texts.append(try columnSum(accumulation, x: x, y: y, repeats: repeats))
      case .outer(let x, let y, let rows, let columns):
        texts += try outerSum(accumulation, x: x, y: y, rows: rows, columns: columns)
      }
    }
    return texts.map { $0.hasSuffix("\n") ? String($0.dropLast()) : $0 }
  }

  private func columnSum(
    _ accumulation: Accumulation, x: String, y: String?, repeats: Int
  ) throws(TemplateError) -> String {
    let count = totals[accumulation.total]?.count ?? 0
    let lanes = target.lanes
    let whole = count / lanes
    func loop(isWhole: Bool, depth: Int) -> [String] {
      let end = isWhole ? "" : "_first"
      let last = isWhole ? "" : ", \(count % lanes)"
      func load(_ place: CTerm) -> CTerm {
        .call("load_f32\(end)", [place] + (isWhole ? [] : [.number(count % lanes)]))
      }
      func place(_ base: String, _ stride: Int) -> CTerm {
        let row = CTerm.number(stride) * .name("row")
        let unit = CTerm.number(lanes) * .name("unit")
        guard repeats > 1 else { return .name(base).displaced(by: row + unit) }
        return .name(base).displaced(by: row + .number(count) * .name("repeat") + unit)
      }
      let stride = panels[x]?.stride ?? 0
      let otherStride = y.flatMap { panels[$0]?.stride } ?? 0
      let chain = CTerm.name("chain")
      let x = load(place("x", stride))
      let sum =
        y == nil
        ? chain + x : .call("multiply_add", [x, load(place("y", otherStride)), chain])
      let added = "chain = \(sum.text);"
      var body = ["vec chain = broadcast(0);", "for (int64_t row = 0; row < rows; ++row) {"]
      if repeats > 1 {
        body += ["  for (int64_t repeat = 0; repeat < \(repeats); ++repeat) {"]
        body += CLayout.wrapped(added, depth: 2) + ["  }", "}"]
      } else {
        body += CLayout.wrapped(added, depth: 1) + ["}"]
      }
      body += [
        "float *sum = total + \(lanes) * unit;",
        "if (!is_first) chain = \((load(.name("sum")) + chain).text);",
        "store_f32\(end)(sum, chain\(last));",
      ]
      return body.map { String(repeating: "  ", count: depth) + $0 }
    }
    var lines: [String] = []
    if whole > 0 {
      let bound = count % lanes == 0 ? "end" : "end && unit < \(whole)"
      lines += ["  for (int64_t unit = first; unit < \(bound); ++unit) {"]
      lines += loop(isWhole: true, depth: 2) + ["  }"]
    }
    if count % lanes != 0 {
      lines += [
        "  if (first <= \(whole) && end > \(whole)) {", "    const int64_t unit = \(whole);",
      ]
      lines += loop(isWhole: false, depth: 2) + ["  }"]
    }
    let parameters = y == nil ? "const float *x, " : "const float *x, const float *y, "
    return try TemplateRenderer.rendered(
      .sumRows,
      [
        "comment": CLayout.commentText(
          "Adds the sums over a block's rows to \(accumulation.total): for each element one chain "
            + "from +0. The elements in vectors from `first` up to `end`."),
        "head": CLayout.wrappedText(
          "static void \(name(of: accumulation))(int64_t rows, \(parameters)float *total, "
            + "int is_first, int64_t first, int64_t end) {"),
        "loops": lines.joined(separator: "\n"),
      ])
  }

  private func outerSum(
    _ accumulation: Accumulation, x: String, y: String, rows: Int, columns: Int
  ) throws(TemplateError) -> [String] {
    let extents = [
      "rows": "\(tile.rows)", "vectors": "\(tile.vectors)", "lanes": "\(target.lanes)",
    ]
    let panelColumns = "\(target.panelColumns)"
    let tileText = try TemplateRenderer.rendered(
      .outerSumTile,
      extents.merging([
        "columns": panelColumns,
        "comment": CLayout.commentText(
          "The products of \(tile.rows) elements of x and \(panelColumns) of y, summed over `depth` "
            + "rows by one chain each from +0, and added to what earlier blocks have summed."),
        "head": CLayout.wrappedText(
          "static void \(tileName)(int64_t depth, const float *x, "
            + "const float *y, float *sums, int64_t stride, int is_first) {"),
      ]) { $1 })
    let text = try TemplateRenderer.rendered(
      .outerSum,
      extents.merging([
        "columns": panelColumns, "tile_name": tileName,
        "comment": CLayout.commentText(
          "Adds the products of the rows' \(rows) elements of x with the \(columns) of y to "
            + "\(accumulation.total): the panels of \(panelColumns) columns from `first` up to `end`."
        ),
        "head": CLayout.wrappedText(
          "static void \(name(of: accumulation))(int64_t rows, const float *x, const float *y, "
            + "float *total, int is_first, void *gathered, int64_t first, int64_t end) {"),
        "panel_elements": "\(panelElements)", "x_tile_elements": "\(xTileElements)",
        "tile_elements": "\(tile.rows * target.panelColumns)", "tiles": "\(tiles(rows))",
        "chunk": "\(min(chunk, tiles(rows)))", "x_stride": "\(panels[x]?.stride ?? 0)",
        "y_stride": "\(panels[y]?.stride ?? 0)", "in": "\(rows)", "out": "\(columns)",
      ]) { $1 })
    return [tileText, text]
  }

  // MARK: Storing

  /// The function that stores a total in its outputs.
  func store(_ total: Total) -> String {
    let lead = "static void \(name(of: total))(int64_t rows, "
    if total.isDirect {
      // The sums lie in the output already, unless there were no rows to sum.
      return
        ([
          CLayout.commentText("Without rows the sums are zero."),
          CLayout.wrappedText("\(lead)float *sums) {"),
          "  if (rows > 0) return;", "  for (int64_t i = 0; i < \(total.count); ++i) sums[i] = 0;",
          "}",
        ]).joined(separator: "\n")
    }
    var parameters = "int64_t blocks, const float *sums, "
    var stores: [String] = []
    for (number, output) in total.outputs.enumerated() {
      let storage = buffers[output]?.storage ?? .f32
      let place = total.outputs.count > 1 ? "output\(number + 1)" : "output"
      parameters += "\(CExpression.elementType(storage, isConstant: false))*\(place), "
      switch storage {
      case .f32: stores.append("    \(place)[i] = total;")
      case .bf16, .f16, .i8:
        stores.append("    \(place)[i] = \(storage.rawValue)_from_float(total);")
      }
    }
    var lines = [
      CLayout.commentText(
        "Stores \(total.outputs.joined(separator: " and ")): the blocks' sums, added in increasing "
          + "order. The elements from `first` up to `end`."),
      CLayout.wrappedText("\(lead)\(parameters)int64_t first, int64_t end) {"),
    ]
    if total.reduction == .sum { lines.append("  (void)rows;") }
    lines += [
      "  for (int64_t i = first; i < end; ++i) {",
      "    float total = blocks > 0 ? sums[i] : 0;",
      "    for (int64_t block = 1; block < blocks; ++block) {",
      "      total += sums[\(stride) * block + i];", "    }",
    ]
    switch total.reduction {
    case .sum: break
    case .mean:
      let terms = total.termsPerRow > 1 ? "(\(total.termsPerRow) * rows)" : "rows"
      lines.append("    total = total / (float)\(terms);")
    }
    return (lines + stores + ["  }", "}"]).joined(separator: "\n")
  }
}
