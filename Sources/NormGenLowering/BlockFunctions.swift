import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions of a product whose weights lie in blocks: blocks put side by side, and their values, in
/// memory for many rows or in registers for few.
struct BlockFunctions {
  let product: ProductFunctions
  /// How a sliver's blocks lie.
  let layout: PackedBlocks

  init?(_ product: ProductFunctions) {
    guard let format = product.product.format else { return nil }
    self.product = product
    layout = PackedBlocks(
      format, columns: product.columns, takesIntegers: product.product.integers != nil,
      prefersWideSums: product.target.hasWideQuadDots)
  }

  var format: BlockFormat { layout.format }
  var lanes: Int { product.lanes }
  var columns: Int { product.columns }
  var vectors: Index { .constant(product.vectors) }
  let packed = Pointer(name: "packed", storage: .u8)
  let group = Pointer(name: "group", storage: .u8)

  /// The name of the function that stores a sliver's values.
  var dequantizeName: String { "dequantize_\(product.extents)" }
  /// The name of the tile that takes a sliver's blocks as they are.
  var tileName: String { "tile_of_blocks_\(product.extents)" }

  /// The most slivers that such a tile takes together.
  static let mostTileSlivers = 2

  /// The heights of those tiles, the greatest first, for each number of slivers, the greatest first: with
  /// more rows weights are unpacked once for all, and registers hold so many chains.
  var heights: [(slivers: Int, rows: [Int])] {
    // Offsets take registers of the chains.
    let single = format.minimum == nil && format.zeroPoints == nil ? [5, 4, 3] : [4, 3]
    return [(2, [2, 1]), (1, single)].map { slivers, rows in
      (slivers, rows.filter { $0 <= product.product.tile.rows })
    }.filter { !$0.1.isEmpty }
  }

  /// The most rows that they are for.
  var mostTileRows: Int { heights.flatMap(\.rows).max() ?? 0 }

  // MARK: Extents

  /// Blocks of a column.
  var blocks: Int { product.product.depth / format.elementCount }
  /// Bytes of a sliver.
  var sliverBytes: Int { blocks * layout.byteCount }

  /// Where the blocks of a sliver's step k begin among packed weights.
  func place(of sliver: Index, _ k: Index) -> Index {
    .constant(sliverBytes) * sliver + .constant(layout.byteCount) * block(of: k)
  }

  func block(of k: Index) -> Index { k / .constant(format.elementCount) }

  // MARK: Values

  /// Stores the values of a sliver's blocks as the tiles of f32 weights read them.
  func dequantize() -> LoopFunction {
    let values = Pointer(name: "values", storage: .f32)
    return LoopFunction(
      dequantizeName,
      comment: "The values of `depth` steps of a sliver's blocks, step by step.",
      linkage: .separate,
      parameters: [.read(packed), .init("depth", .index), .written(values)],
      body: overSteps(ofSlivers: nil) { k, weight in
        [
          .each(
            "v", upTo: vectors,
            .store(
              values, at: .constant(columns) * k + .constant(lanes) * "v", weight("v"), .all))
        ]
      })
  }

  /// The tile that takes blocks as they are, of neighbouring slivers: more chains side by side hide how
  /// long each step of one takes.
  func tile() -> LoopFunction {
    let x = product.x
    let slivers: Index = "slivers"
    let most = Self.mostTileSlivers * product.vectors
    let count = vectors * slivers
    let body = overSteps(ofSlivers: slivers) { k, weight in
      [
        .array("weights", extents: [most], .vector),
        .each("v", upTo: count, .setEntry("weights", ["v"], weight("v"))),
        .each(
          "r", upTo: "height",
          .define("element", .broadcast(.loadScalar(x, at: .constant(product.xStride) * "r" + k))),
          .each("v", upTo: count, Tile.add(.vector("element"), .entry("weights", ["v"])))),
      ]
    }
    return LoopFunction(
      tileName,
      comment:
        "The same of `slivers` slivers for few rows: their weights are unpacked in registers.",
      linkage: .inlined,
      parameters: [
        .init("depth", .index), .read(x), .read(packed), .written(product.sums),
        .init("is_first", .flag), .init("height", .constant), .init("slivers", .constant),
      ],
      body: Tile.zeros(
        rows: mostTileRows, vectors: most, count: count, height: "height") + body + [
          Tile.store(
            vectors: count, lanes: lanes, height: "height", stride: .constant(product.sumsStride))
        ])
  }

  /// What is done with the steps of slivers in order.
  ///
  /// - Parameters:
  ///   - slivers: How many stand side by side; nil for one.
  ///   - body: Is given each step and the vectors of its weights.
  private func overSteps(
    ofSlivers slivers: Index?,
    _ body: (_ k: Index, _ weight: (_ vector: Index) -> LoopExpr) -> [Stmt]
  ) -> [Stmt] {
    let subBlocks = layout.subBlocks
    let run = layout.run
    let runs = layout.subBlockElements / run
    let subBlock: Index = subBlocks > 1 ? "s" : 0
    // The first element of a run in its block.
    let first =
      (subBlocks > 1 ? Index.constant(layout.subBlockElements) * "s" : 0)
      + (runs > 1 ? .constant(run) * "u" : 0)
    let element = first + .constant(4) * turn + "j"
    /// The word of a part that holds a run.
    func word(_ part: Int) -> Index {
      let elements = layout.wordElements(part)
      guard subBlocks == 1 || layout.subBlockElements % elements == 0,
        runs == 1 || run % elements == 0
      else { return first / .constant(elements) }
      return (subBlocks > 1 ? .constant(layout.subBlockElements / elements) * "s" : 0)
        + (runs > 1 ? .constant(run / elements) * "u" : 0)
    }
    let side = Side(slivers: slivers, functions: self)
    let words = format.quants.parts.indices.flatMap { part -> [Stmt] in
      side.vectors(
        wordsName(part), .words,
        .words(
          group,
          at: side.place(4 * lanes) + .constant(4 * columns) * word(part)
            + .constant(layout.quants[part])))
    }
    let unpacked: Stmt = .loop(
      index: "j", from: 0, to: 4, step: 1, body: body("k" + element) { weight($0, element) })
    let oneRun = words + [run > 4 ? .each("t", upTo: .constant(run / 4), unpacked) : unpacked]
    let oneSubBlock =
      prefetch(subBlock, side) + factors(subBlock, side)
      + (runs > 1
        ? [.loop(index: "u", from: 0, to: .constant(runs), step: 1, body: oneRun)] : oneRun)
    return [
      .loop(
        index: "k", from: 0, to: "depth", step: .constant(format.elementCount),
        body: [
          .pointer(
            group, buffer: packed.name, offset: .constant(layout.byteCount) * block(of: "k"))
        ]
          + (subBlocks > 1
            ? [.loop(index: "s", from: 0, to: .constant(subBlocks), step: 1, body: oneSubBlock)]
            : oneSubBlock))
    ]
  }

  /// The scales of a sub-block, and what is added to its products.
  func factors(_ subBlock: Index, _ side: Side) -> [Stmt] {
    let offsets =
      switch format.minimum {
      case .added:
        layout.minimum.map { side.vectors("offsets", .vector, value(of: $0, subBlock, side)) }
      case .subtracted:
        layout.minimum.map {
          side.vectors("offsets", .vector, .apply(.negate, [value(of: $0, subBlock, side)]))
        }
      case nil: [Stmt]?.none
      }
    return side.vectors("scales", .vector, value(of: layout.scale, subBlock, side))
      + (offsets ?? []) + zeroPoints(subBlock, side)
  }

  /// What is subtracted from packed quants where each sub-block has its own.
  private func zeroPoints(_ subBlock: Index, _ side: Side) -> [Stmt] {
    guard let place = layout.zeroPoints, let integers = format.zeroPoints else { return [] }
    return side.vectors(
      "zero_points", .vector,
      lessened(
        column(subBlock, side, from: place),
        by: PackedBlocks.zeroPoint(of: integers) - layout.zeroPoint))
  }

  /// The bytes of a sub-block, one for each column.
  private func column(_ subBlock: Index, _ side: Side, from place: Int) -> LoopExpr {
    .load(
      group, at: side.place(lanes) + .constant(columns) * subBlock + .constant(place), .all)
  }

  /// Vectors of one or more slivers side by side.
  struct Side {
    let slivers: Index?
    let functions: BlockFunctions

    private var own: Index { .constant(functions.product.vectors) }

    /// Where what a vector takes lies, so many bytes a vector.
    func place(_ bytes: Int) -> Index {
      guard slivers != nil else { return .constant(bytes) * "v" }
      return .constant(functions.sliverBytes) * ("v" / own) + .constant(bytes) * ("v" % own)
    }

    /// An array with a value for each vector.
    func vectors(_ name: String, _ element: LoopArrayElement, _ value: LoopExpr) -> [Stmt] {
      let most = (slivers == nil ? 1 : BlockFunctions.mostTileSlivers) * functions.product.vectors
      return [
        .array(name, extents: [most], element),
        .each("v", upTo: slivers.map { own * $0 } ?? own, .setEntry(name, ["v"], value)),
      ]
    }
  }

  /// The vector of a factor in a sub-block.
  private func value(
    of factor: PackedBlocks.Factor, _ subBlock: Index, _ side: Side
  ) -> LoopExpr {
    let number = LoopExpr.bytes(
      group, at: side.place(factor.factor.type.byteCount * lanes) + .constant(factor.numbers),
      as: factor.factor.type)
    guard let integers = factor.factor.integers else { return number }
    return .apply(
      .multiply,
      [
        number,
        lessened(
          column(subBlock, side, from: factor.integers), by: PackedBlocks.zeroPoint(of: integers)),
      ])
  }

  /// The vector of an element's weights.
  ///
  /// Where no product is rounded, adding to it is one operation with one rounding.
  private func weight(_ vector: Index, _ element: Index) -> LoopExpr {
    let number: LoopExpr
    if layout.isSigned {
      number = .signedBits(
        .entry(wordsName(0), [vector]), from: from(0, element),
        count: format.quants.width)
    } else {
      var bits: LoopExpr?
      var place = 0
      for (part, own) in format.quants.parts.enumerated() {
        let next = LoopExpr.bits(
          .entry(wordsName(part), [vector]), from: from(part, element), count: own.width,
          at: place)
        bits = bits.map { .joined($0, next, at: 0) } ?? next
        place += own.width
      }
      number = bits ?? .constant(0)
    }
    let quant =
      format.zeroPoints == nil
      ? lessened(.whole(number), by: layout.zeroPoint)
      : .apply(.subtract, [.whole(number), .entry("zero_points", [vector])])
    let scale = LoopExpr.entry("scales", [vector])
    guard format.minimum != nil else { return .apply(.multiply, [scale, quant]) }
    let offset = LoopExpr.entry("offsets", [vector])
    return format.hasExactProducts
      ? .apply(.multiplyAdd, [scale, quant, offset])
      : .apply(.add, [.apply(.multiply, [scale, quant]), offset])
  }

  /// Which four elements of a run are unpacked.
  private var turn: Index { layout.run > 4 ? "t" : 0 }

  private func lessened(_ value: LoopExpr, by zeroPoint: Int) -> LoopExpr {
    zeroPoint == 0 ? value : .apply(.subtract, [value, .constant(Float(zeroPoint))])
  }

  func wordsName(_ part: Int) -> String { part == 0 ? "words" : "words_\(part + 1)" }

  /// The lowest of an element's bits in a word of a part.
  private func from(_ part: Int, _ element: Index) -> Index {
    let elements = layout.wordElements(part)
    // Where all words begin with the run, the turn of four is the run's.
    let turn = elements == layout.run ? self.turn : element % .constant(elements) / 4
    return .constant(8) * "j" + .constant(format.quants.parts[part].width) * turn
  }

  /// Asks for a sub-block's share of blocks some way ahead, a cache line at a time.
  func prefetch(_ subBlock: Index, _ side: Side) -> [Stmt] {
    let ahead = columns * 4 * min(max(product.schedule.weightStepsAhead, 0), 1 << 16)
    let lines = (layout.byteCount + 64 * layout.subBlocks - 1) / (64 * layout.subBlocks)
    let line = Index.constant(64 * lines) * subBlock + .constant(64) * "i" + .constant(ahead)
    let loop = { (sliver: Index) -> Stmt in
      .loop(
        index: "i", from: 0, to: .constant(lines), step: 1,
        body: [.prefetchLine(group, byte: .constant(sliverBytes) * sliver + line, level: 2)])
    }
    guard let slivers = side.slivers else { return [loop(0)] }
    return [.loop(index: "v", from: 0, to: slivers, step: 1, body: [loop("v")])]
  }
}
