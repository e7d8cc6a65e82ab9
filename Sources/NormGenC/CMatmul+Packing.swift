import NormGenIR
public import NormGenLoops
import NormGenSchedule
import NormGenTemplates

/// The functions that put weights in the order in which a product reads them.
extension CMatmul {
  /// The function that packs this multiplication's weights.
  var packName: String { CReserved.packing(product.weights, symbol) }

  func packPrototype(end: String) -> String {
    wrapped("void \(packName)(const \(type) *weights, \(type) *packed)\(end)")
  }

  var packContract: String {
    let shape: String
    switch product.matmul.layout {
    case .inOut: shape = "[\(product.depth), \(product.columns)]"
    case .outIn: shape = "[\(product.columns), \(product.depth)]"
    }
    let text =
      "Packs \(product.weights): reads \(product.storage.rawValue) \(shape) and writes "
      + "\(product.packedElements(panelColumns: columns)) elements."
    return comment(text)
  }

  func gather() throws(TemplateError) -> String {
    let order =
      isDot
      ? "pairs of steps, column by column"
      : isInterleaved ? "step by step, the columns of both vectors in turns" : "step by step"
    let head =
      "static void \(gatherName)(const \(type) *weights, int64_t panel, int64_t k, "
      + "int64_t depth, \(type) *block) {"
    return try TemplateRenderer.rendered(
      .matmulGather,
      [
        "comment": comment(
          "The weights of a panel of \(columns) columns, `depth` steps from step k on, as the "
            + "product reads them: \(order); zeros beyond the last column."),
        "head": wrapped(head), "columns": "\(columns)",
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
    return ["  \(outer)", "    \(inner)"]
      + CLayout.wrapped("block[\(place)] = \(inside) ? \(source) : 0;", depth: 3)
      + ["    }", "  }"]
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

  func pack() throws(TemplateError) -> String {
    let call =
      "\(gatherName)(weights, panel, k, depth, "
      + "packed + \(steps * columns) * panel + \(columns) * k);"
    return try TemplateRenderer.rendered(
      .matmulPack,
      [
        "contract": packContract, "head": packPrototype(end: " {"), "panels": "\(panels)",
        "depth": "\(product.depth)", "block": "\(MatmulOrder.block)",
        "gather": wrapped(call, depth: 3),
      ])
  }
}

extension Multiplication {
  /// The steps that packed weights hold: pairs are whole.
  var packedDepth: Int {
    matmul.accumulation == .bf16Dot ? (depth + 1) / 2 * 2 : depth
  }

  /// The elements of the packed weights.
  ///
  /// - Parameter panelColumns: ``Target/panelColumns``.
  public func packedElements(panelColumns: Int) -> Int {
    (columns + panelColumns - 1) / panelColumns * panelColumns * packedDepth
  }
}
