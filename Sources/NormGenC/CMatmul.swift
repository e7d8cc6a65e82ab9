import NormGenIR
import NormGenLoops
import NormGenSchedule
import NormGenTemplates

/// The C functions of one multiplication.
struct CMatmul {
  let product: Multiplication
  /// What tells the functions of the file's products apart, such as `768x3072`.
  private let extents: String
  let symbol: String
  let target: Target
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

  /// The functions of a program's multiplications; those alike share them.
  static func all(of program: LoopProgram, symbol: String, target: Target) -> [CMatmul] {
    let strides = Dictionary(
      program.panels.map { ($0.name, $0.stride) }, uniquingKeysWith: { $1 })
    var known: [Key: String] = [:]
    var taken: Set<String> = []
    return program.multiplications.map { product in
      let key = Key(
        xStride: strides[product.x] ?? 0, sumsStride: strides[product.sums] ?? 0,
        depth: product.depth, columns: product.columns, storage: product.storage,
        matmul: product.matmul, isPacked: product.isPacked)
      var extents = known[key] ?? "\(product.depth)x\(product.columns)"
      if known[key] == nil {
        let plain = extents
        var number = 1
        while !taken.insert(extents).inserted {
          number += 1
          extents = "\(plain)_\(number)"
        }
        known[key] = extents
      }
      return CMatmul(
        product: product, extents: extents, symbol: symbol, target: target,
        xStride: key.xStride, sumsStride: key.sumsStride)
    }
  }

  // MARK: Extents

  var columns: Int { target.panelColumns }
  /// Panels of weights.
  var panels: Int { (product.columns + columns - 1) / columns }
  var isDot: Bool { product.matmul.accumulation == .bf16Dot }
  /// Whether the columns of the panel's two vectors alternate: bf16 is widened by one operation then.
  var isInterleaved: Bool {
    product.storage == .bf16 && !isDot && target.matmulTile.vectors == 2
  }
  /// Steps that a panel holds: pairs are whole.
  var steps: Int { product.packedDepth }
  /// Bytes of the gathered weights of one block.
  var gatheredBytes: Int { MatmulOrder.block * columns * product.storage.byteCount }

  var type: String { product.storage == .f32 ? "float" : "uint16_t" }
  private var xType: String { isDot ? "uint16_t" : "float" }

  // MARK: Functions

  /// The function that multiplies.
  var name: String { "multiply_\(extents)" }
  private var tileName: String { "tile_\(extents)" }
  var gatherName: String { "gather_\(extents)" }
  /// The names that the emitted file takes for the product.
  var names: [String] { [name, tileName, gatherName] }

  func comment(_ text: String) -> String {
    CLayout.commentText(text)
  }

  /// A line, broken where it is too long.
  func wrapped(_ text: String, depth: Int = 0) -> String {
    CLayout.wrappedText(text, depth: depth)
  }

  /// - Parameter packs: Whether the function that packs is among them.
  func definitions(packs: Bool) throws(TemplateError) -> [String] {
    var texts: [String] = []
    if packs || !product.isPacked { texts.append(try gather()) }
    if packs { texts.append(try pack()) }
    texts.append(try tile())
    texts.append(try multiply())
    return texts.map { $0.hasSuffix("\n") ? String($0.dropLast()) : $0 }
  }

  private func tile() throws(TemplateError) -> String {
    let lanes = target.lanes
    let chain = isDot ? "dot products of bf16 pairs" : "fused multiply-adds"
    let head =
      "static inline __attribute__((always_inline)) void \(tileName)(int64_t depth, "
      + "const \(xType) *x, const \(type) *panel, float *sums, int is_first, const int height) {"
    var values = [
      "comment": comment(
        "The sums of `height` rows and the \(columns) columns of a panel over `depth` steps, for "
          + "each one chain of \(chain) from +0. What an earlier block has summed is added to."),
      "head": wrapped(head), "columns": "\(columns)", "rows": "\(target.matmulTile.rows)",
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
            const uvec pairs = load_u16_pairs(step);
            weights[0] = widen_bf16_first(pairs);
            weights[1] = widen_bf16_second(pairs);
        """
    }
    let vectors = target.matmulTile.vectors
    let storage = product.storage.rawValue
    let lanes = target.lanes
    return """
          for (int v = 0; v < \(vectors); ++v) weights[v] = load_\(storage)(step + \(lanes) * v);
      """
  }

  /// Asks for weights some steps ahead, a cache line at a time.
  private func prefetch() -> String {
    let bytes = columns * product.storage.byteCount * (isDot ? 2 : 1)
    let line = 64 / product.storage.byteCount
    let ahead = CMatmul.stepsAhead
    if bytes <= 64 {
      return "    __builtin_prefetch(step + \(columns * ahead));"
    }
    return """
          for (int v = 0; v < \(bytes / 64); ++v) {
            __builtin_prefetch(step + \(columns * ahead) + \(line) * v);
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
    var block: [String] = []
    if product.isPacked {
      block.append(
        "      const \(type) *block = weights + \(steps * columns) * panel + \(columns) * k;")
    } else {
      block += [
        "      \(type) *block = gathered;",
        "      \(gatherName)(weights, panel, k, depth, block);",
      ]
    }
    let tiles = target.matmulTile.heights.flatMap { height -> [String] in
      let call =
        "\(tileName)(depth, x_block + \(xStride) * row, block, "
        + "panel_sums + \(sumsStride) * row, k == 0, \(height));"
      let loop =
        height > 1
        ? "for (; row + \(height) <= rows; row += \(height)) {" : "for (; row < rows; ++row) {"
      return ["      \(loop)"]
        + CLayout.wrapped(call, depth: 4) + ["      }"]
    }
    let head =
      "static void \(name)(int64_t rows, const \(xType) *x, const \(type) *weights, "
      + "float *sums, \(product.isPacked ? "" : "void *gathered, ")int64_t first, int64_t end) {"
    return try TemplateRenderer.rendered(
      .matmul,
      [
        "comment": comment(
          "Rows of \(product.depth) elements times a matrix of \(product.columns) columns: the "
            + "panels of \(columns) columns from `first` up to `end`."),
        "head": wrapped(head), "x_type": xType, "columns": "\(columns)",
        "depth": "\(product.depth)", "block": "\(MatmulOrder.block)",
        "weights": block.joined(separator: "\n"), "tiles": tiles.joined(separator: "\n"),
      ])
  }
}
