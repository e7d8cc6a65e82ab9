import NormGenIR
public import NormGenLoops
import NormGenSchedule
import NormGenTemplates

/// The C functions of one multiplication.
struct CMatmul {
  let product: Multiplication
  /// The function that multiplies.
  let name: String
  private let symbol: String
  private let target: Target
  private let xStride: Int
  private let sumsStride: Int

  /// What two multiplications must agree on to share a function.
  private struct Key: Hashable {
    let xStride: Int
    let sumsStride: Int
    let depth: Int
    let columns: Int
    let storage: DType
    let matmul: Matmul
    let isPacked: Bool
  }

  /// The functions of a program's multiplications; those alike have one name.
  static func all(of program: LoopProgram, symbol: String, target: Target) -> [CMatmul] {
    let strides = Dictionary(
      program.panels.map { ($0.name, $0.stride) }, uniquingKeysWith: { $1 })
    var known: [Key: String] = [:]
    return program.multiplications.map { product in
      let key = Key(
        xStride: strides[product.x] ?? 0, sumsStride: strides[product.sums] ?? 0,
        depth: product.depth, columns: product.columns, storage: product.storage,
        matmul: product.matmul, isPacked: product.isPacked)
      let name = known[key] ?? "\(symbol)_times_\(product.weights)"
      known[key] = name
      return CMatmul(
        product: product, name: name, symbol: symbol, target: target, xStride: key.xStride,
        sumsStride: key.sumsStride)
    }
  }

  // MARK: Extents

  private var columns: Int { target.panelColumns }
  /// Panels of weights.
  var panels: Int { (product.columns + columns - 1) / columns }
  private var isDot: Bool { product.matmul.accumulation == .bf16Dot }
  /// Whether the columns of the panel's two vectors alternate: bf16 is widened by one operation then.
  private var isInterleaved: Bool {
    product.storage == .bf16 && !isDot && target.matmulTile.vectors == 2
  }
  /// Steps that a panel holds: pairs are whole.
  private var steps: Int { isDot ? (product.depth + 1) / 2 * 2 : product.depth }
  /// Bytes of the gathered weights of one block.
  var gatheredBytes: Int { MatmulOrder.block * columns * product.storage.byteCount }

  private var type: String { product.storage == .f32 ? "float" : "uint16_t" }
  private var gatherName: String { name }

  // MARK: Functions

  /// The function that packs this multiplication's weights.
  var packName: String { "\(symbol)_pack_\(product.weights)" }

  var packPrototype: String { "void \(packName)(const \(type) *weights, \(type) *packed)" }

  var packContract: String {
    let shape: String
    switch product.matmul.layout {
    case .inOut: shape = "[\(product.depth), \(product.columns)]"
    case .outIn: shape = "[\(product.columns), \(product.depth)]"
    }
    return """
      // Packs \(product.weights): reads \(product.storage.rawValue) \(shape) and writes \
      \(product.packedElements(panelColumns: columns)) elements.
      """
  }

  func definitions() throws(TemplateError) -> [String] {
    var texts: [String] = [try gather()]
    if product.isPacked { texts.append(try pack()) }
    texts.append(try tile())
    texts.append(try multiply())
    return texts
  }

  private func gather() throws(TemplateError) -> String {
    try TemplateRenderer.rendered(
      .matmulGather,
      [
        "name": gatherName, "type": type, "columns": "\(columns)",
        "order": isDot
          ? "pairs of steps, column by column"
          : isInterleaved ? "step by step, the columns of both vectors in turns" : "step by step",
        "loops": gatherLoops().joined(separator: "\n"),
      ])
  }

  private func gatherLoops() -> [String] {
    let count = product.columns
    let depth = product.depth
    if product.matmul.layout == .inOut, !isDot, !isInterleaved { return rowLoops() }
    let source =
      product.matmul.layout == .inOut
      ? "weights[\(count) * (k + i) + first + c]" : "weights[\(depth) * (first + c) + k + i]"
    let place: String
    if isDot {
      place = "\(columns) * (i - i % 2) + 2 * c + i % 2"
    } else if isInterleaved {
      place = "\(columns) * i + 2 * (c % \(target.lanes)) + c / \(target.lanes)"
    } else {
      place = "\(columns) * i + c"
    }
    var inside = "first + c < \(count)"
    var end = "depth"
    if isDot, depth % 2 == 1 {
      inside += " && k + i < \(depth)"
      end = "depth + depth % 2"
    }
    let overSteps = "for (int64_t i = 0; i < \(end); ++i) {"
    let overColumns = "for (int64_t c = 0; c < \(columns); ++c) {"
    // Along the weights' own rows.
    let (outer, inner) =
      product.matmul.layout == .inOut ? (overSteps, overColumns) : (overColumns, overSteps)
    return [
      "  \(outer)", "    \(inner)", "      block[\(place)] = \(inside) ? \(source) : 0;", "    }",
      "  }",
    ]
  }

  /// Whole vectors of a weight row, which are also those of the block.
  private func rowLoops() -> [String] {
    let lanes = target.lanes
    let count = product.columns
    let kind = product.storage == .f32 ? "f32" : "u16"
    var lines = ["  for (int64_t i = 0; i < depth; ++i) {"]
    lines += [
      "    const \(type) *row = weights + \(count) * (k + i) + first;",
      "    for (int v = 0; v < \(target.matmulTile.vectors); ++v) {",
      "      const int64_t left = \(count) - first - \(lanes) * v;",
      "      \(type) *place = block + \(columns) * i + \(lanes) * v;",
      "      if (left >= \(lanes)) {",
      "        store_\(kind)(place, load_\(kind)(row + \(lanes) * v));",
      "      } else if (left > 0) {",
      "        store_\(kind)(place, load_\(kind)_first(row + \(lanes) * v, (int)left));",
      "      } else {",
      "        store_\(kind)(place, (\(product.storage == .f32 ? "vec" : "hvec")){0});",
      "      }",
      "    }", "  }",
    ]
    return lines
  }

  private func pack() throws(TemplateError) -> String {
    try TemplateRenderer.rendered(
      .matmulPack,
      [
        "name": packName, "type": type, "panels": "\(panels)", "depth": "\(product.depth)",
        "block": "\(MatmulOrder.block)", "gather": gatherName, "columns": "\(columns)",
        "panel_elements": "\(steps * columns)", "contract": packContract,
      ])
  }

  private func tile() throws(TemplateError) -> String {
    let lanes = target.lanes
    var values = [
      "name": name, "columns": "\(columns)", "rows": "\(target.matmulTile.rows)",
      "vectors": "\(target.matmulTile.vectors)", "lanes": "\(lanes)", "x_stride": "\(xStride)",
      "sums_stride": "\(sumsStride)", "prefetch": prefetch(),
    ]
    if isDot {
      values["pair_lanes"] = "\(2 * lanes)"
      values["odd"] = product.depth % 2 == 1 ? oddStep() : ""
      return try TemplateRenderer.rendered(.matmulDotTile, values)
    }
    values["type"] = type
    values["load"] = load()
    return try TemplateRenderer.rendered(.matmulTile, values)
  }

  /// The weights of one step.
  private func load() -> String {
    if isInterleaved {
      return """
            const uvec pairs = load_u16_pairs(panel + \(columns) * k);
            weights[0] = widen_bf16_first(pairs);
            weights[1] = widen_bf16_second(pairs);
        """
    }
    return """
          for (int v = 0; v < \(target.matmulTile.vectors); ++v) {
            weights[v] = load_\(product.storage.rawValue)(panel + \(columns) * k + \(target.lanes) * v);
          }
      """
  }

  /// Asks for weights some steps ahead, a cache line at a time.
  private func prefetch() -> String {
    let bytes = columns * product.storage.byteCount * (isDot ? 2 : 1)
    let line = 64 / product.storage.byteCount
    let ahead = CMatmul.stepsAhead
    if bytes <= 64 {
      return "    __builtin_prefetch(panel + \(columns) * (k + \(ahead)));"
    }
    return """
          for (int v = 0; v < \(bytes / 64); ++v) {
            __builtin_prefetch(panel + \(columns) * (k + \(ahead)) + \(line) * v);
          }
      """
  }

  /// Measured: far enough for memory to answer.
  private static let stepsAhead = 64

  /// The last step of an odd depth, whose pair is half a zero.
  private func oddStep() -> String {
    """
      if (depth % 2) {
        for (int r = 0; r < height; ++r) {
          const uint16_t pair[2] = {x[\(xStride) * r + depth - 1], 0};
          for (int v = 0; v < \(target.matmulTile.vectors); ++v) {
            const uvec weights =
                load_u16_pairs(panel + \(columns) * (depth - 1) + \(2 * target.lanes) * v);
            chain[r][v] = bf16_dot(chain[r][v], broadcast_u16_pair(pair), weights);
          }
        }
      }
    """
  }

  private func multiply() throws(TemplateError) -> String {
    let depth = product.depth
    var panel: [String] = []
    if product.isPacked {
      panel.append(
        "      const \(type) *block = weights + \(steps * columns) * panel + \(columns) * k;")
    } else {
      panel += [
        "      \(type) *block = gathered;",
        "      \(gatherName)_gather(weights, panel, k, depth, block);",
      ]
    }
    let tiles = target.matmulTile.heights.flatMap { height -> [String] in
      let start = "for (; row + \(height) <= rows; row += \(height)) {"
      let call =
        "\(name)_tile(depth, x_block + row * \(xStride), block, sum + row * \(sumsStride), "
        + "k == 0, \(height));"
      return ["      \(start)"] + CLayout.wrapped(call, depth: 4) + ["      }"]
    }
    return try TemplateRenderer.rendered(
      .matmul,
      [
        "name": name, "type": type, "x_type": isDot ? "uint16_t" : "float",
        "columns": "\(columns)", "depth": "\(depth)", "block": "\(MatmulOrder.block)",
        "block_parameter": product.isPacked ? "" : "void *gathered, ",
        "summary": "Rows of \(depth) elements times a matrix of \(product.columns) columns",
        "panel": panel.joined(separator: "\n"), "tiles": tiles.joined(separator: "\n"),
      ])
  }
}

extension Multiplication {
  /// The elements of the packed weights.
  ///
  /// - Parameter panelColumns: ``Target/panelColumns``.
  public func packedElements(panelColumns: Int) -> Int {
    let steps = matmul.accumulation == .bf16Dot ? (depth + 1) / 2 * 2 : depth
    return (columns + panelColumns - 1) / panelColumns * panelColumns * steps
  }
}
