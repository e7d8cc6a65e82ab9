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
    layout = PackedBlocks(format, columns: product.columns)
  }

  private var format: BlockFormat { layout.format }
  private var lanes: Int { product.lanes }
  private var columns: Int { product.columns }
  private var vectors: Index { .constant(product.vectors) }
  private let packed = Pointer(name: "packed", storage: .u8)
  private let group = Pointer(name: "group", storage: .u8)

  /// The name of the function that stores a sliver's values.
  var dequantizeName: String { "dequantize_\(product.extents)" }
  /// The name of the tile that takes a sliver's blocks as they are.
  var tileName: String { "tile_of_blocks_\(product.extents)" }

  /// The most rows whose tiles unpack weights for themselves: for more it is done once for all.
  static let mostTileRows = 2

  /// The heights of those tiles, the greatest first.
  var heights: [Int] {
    (1...min(Self.mostTileRows, product.product.tile.rows)).reversed()
  }

  // MARK: Extents

  /// Blocks of a column.
  var blocks: Int { product.product.depth / format.elementCount }
  /// Bytes of a sliver.
  var sliverBytes: Int { blocks * layout.byteCount }

  /// Where the blocks of a sliver's step k begin among packed weights.
  func place(of sliver: Index, _ k: Index) -> Index {
    .constant(sliverBytes) * sliver + .constant(layout.byteCount) * block(of: k)
  }

  private func block(of k: Index) -> Index { k / .constant(format.elementCount) }

  // MARK: Packing

  /// Puts one block of each column of a sliver side by side.
  func gather() -> LoopFunction {
    let weights = product.weights
    let block = product.block
    let rowBytes = blocks * format.byteCount
    let isColumn: LoopCondition = "c" < "count"
    func store(_ place: Index, _ value: LoopExpr) -> Stmt {
      .storeStored(block, at: place, .choose(isColumn, value, .storedZero))
    }
    /// The lowest of an integer's bits, counted from the weights' first.
    func position(_ bits: BlockFormat.Bits, _ index: Index) -> Index {
      var (place, rest) = (Index.constant(8 * rowBytes) * "c" + .constant(bits.first), index)
      for (axis, (extent, stride)) in zip(bits.extents, bits.strides).enumerated() {
        let isLast = axis == bits.extents.count - 1
        let own = isLast ? rest : rest % .constant(extent)
        place = place + .constant(stride) * own
        rest = rest / .constant(extent)
      }
      return place
    }
    /// The bits of an integer in one part, those of a two's complement from its least.
    func bits(_ integers: BlockFormat.Integers, _ part: Int, at bit: Index) -> LoopExpr {
      .storedBits(
        weights, at: bit, count: integers.parts[part].width,
        isFlipped: integers.isSigned && part == integers.parts.count - 1)
    }
    func factor(_ factor: PackedBlocks.Factor) -> [Stmt] {
      let bytes = factor.factor.type.byteCount
      let number = Stmt.each(
        "i", upTo: .constant(bytes),
        store(
          .constant(bytes) * "c" + "i" + .constant(factor.numbers),
          .stored(
            weights, at: .constant(rowBytes) * "c" + "i" + .constant(factor.factor.byte))))
      guard let integers = factor.factor.integers else { return [number] }
      let places = integers.parts.indices.map { part in
        Stmt.index(bitName(part), position(integers.parts[part], "s"))
      }
      var value = bits(integers, 0, at: .variable(bitName(0)))
      var width = integers.parts[0].width
      for part in integers.parts.indices.dropFirst() {
        value = .joined(value, bits(integers, part, at: .variable(bitName(part))), at: width)
        width += integers.parts[part].width
      }
      return [
        number,
        .loop(
          index: "s", from: 0, to: .constant(integers.count), step: 1,
          body: places + [
            store(.constant(columns) * "s" + "c" + .constant(factor.integers), value)
          ]),
      ]
    }
    func quants(_ part: Int) -> Stmt {
      let width = format.quants.parts[part].width
      let elements = layout.wordElements(part)
      let turns = 0..<8 / width
      let places = turns.map { turn in
        Stmt.index(
          bitName(turn), position(format.quants.parts[part], "element" + .constant(4 * turn)))
      }
      let byte = turns.dropFirst().reduce(
        bits(format.quants, part, at: .variable(bitName(0)))
      ) { byte, turn in
        .joined(
          byte, bits(format.quants, part, at: .variable(bitName(turn))), at: width * turn)
      }
      return .each(
        "w", upTo: .constant(format.elementCount / elements),
        .loop(
          index: "j", from: 0, to: 4, step: 1,
          body: [.index("element", .constant(elements) * "w" + "j")] + places + [
            store(
              .constant(4 * columns) * "w" + .constant(4) * "c" + "j"
                + .constant(layout.quants[part]), byte)
          ]))
    }
    let factors = factor(layout.scale) + (layout.minimum.map(factor) ?? [])
    return LoopFunction(
      product.gatherName,
      comment:
        "A block of each of the \(columns) columns of a sliver, as the product reads them: "
        + "scales, then quants in words of 4 bytes, column by column; zeros beyond the `count` columns that "
        + "are left.",
      parameters: [.read(weights), .init("count", .index), .written(block)],
      body: [
        .loop(
          index: "c", from: 0, to: .constant(columns), step: 1,
          body: factors + format.quants.parts.indices.map(quants))
      ])
  }

  /// What packing calls the lowest bit of a part, or of an element that shares a byte.
  private func bitName(_ number: Int) -> String { number == 0 ? "bit" : "bit_\(number + 1)" }

  /// The body of the function that packs all weights.
  func pack() -> Stmt {
    let source = Index.constant(blocks * format.byteCount * columns) * "sliver"
    return .each(
      "sliver", upTo: .constant(product.slivers),
      .each(
        "b", upTo: .constant(blocks),
        .call(
          product.gatherName,
          [
            .place(
              product.weights.name, at: source + .constant(format.byteCount) * "b"),
            .index(product.left(behind: "sliver")),
            .place(
              "packed",
              at: .constant(sliverBytes) * "sliver" + .constant(layout.byteCount) * "b"),
          ])))
  }

  // MARK: Values

  /// Stores the values of a sliver's blocks as the tiles of f32 weights read them.
  func dequantize() -> LoopFunction {
    let values = Pointer(name: "values", storage: .f32)
    return LoopFunction(
      dequantizeName,
      comment:
        "The values of `depth` steps of a sliver's blocks, step by step.",
      parameters: [.read(packed), .init("depth", .index), .written(values)],
      body: overSteps { k, weight in
        [
          .each(
            "v", upTo: vectors,
            .store(
              values, at: .constant(columns) * k + .constant(lanes) * "v", weight("v"), .all))
        ]
      })
  }

  /// The tile that takes blocks as they are.
  func tile() -> LoopFunction {
    let x = product.x
    let body = overSteps { k, weight in
      [
        .array("weights", extents: [product.vectors], .vector),
        .each("v", upTo: vectors, .setEntry("weights", ["v"], weight("v"))),
        .each(
          "r", upTo: "height",
          .define("element", .broadcast(.loadScalar(x, at: .constant(product.xStride) * "r" + k))),
          .each("v", upTo: vectors, Tile.add(.vector("element"), .entry("weights", ["v"])))),
      ]
    }
    return LoopFunction(
      tileName,
      comment:
        "The same for few rows, whose weights are unpacked in registers.",
      linkage: .inlined,
      parameters: [
        .init("depth", .index), .read(x), .read(packed), .written(product.sums),
        .init("is_first", .flag), .init("height", .constant),
      ],
      body: Tile.zeros(rows: heights[0], vectors: product.vectors, height: "height") + body + [
        Tile.store(
          vectors: product.vectors, lanes: lanes, height: "height",
          stride: .constant(product.sumsStride))
      ])
  }

  /// The steps of a sliver in order: `body` is given each step and the vectors of its weights.
  private func overSteps(
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
    /// The word of a part that holds it.
    func word(_ part: Int) -> Index {
      let elements = layout.wordElements(part)
      guard subBlocks == 1 || layout.subBlockElements % elements == 0,
        runs == 1 || run % elements == 0
      else { return first / .constant(elements) }
      return (subBlocks > 1 ? .constant(layout.subBlockElements / elements) * "s" : 0)
        + (runs > 1 ? .constant(run / elements) * "u" : 0)
    }
    let element = first + .constant(4) * "t" + "j"
    var quant: (Index) -> LoopExpr = { v in
      quantBits(0, v, element)
    }
    var width = format.quants.parts[0].width
    for part in format.quants.parts.indices.dropFirst() {
      let (low, place) = (quant, width)
      quant = { .joined(low($0), quantBits(part, $0, element), at: place) }
      width += format.quants.parts[part].width
    }
    let bits = quant
    let zero = PackedBlocks.zeroPoint(of: format.quants)
    func weight(_ v: Index) -> LoopExpr {
      let scaled = LoopExpr.apply(
        .multiply, [.entry("scales", [v]), lessened(.whole(bits(v)), by: zero)])
      switch format.minimum {
      case .added: return .apply(.add, [scaled, .entry("minima", [v])])
      case .subtracted: return .apply(.subtract, [scaled, .entry("minima", [v])])
      case nil: return scaled
      }
    }
    let words = format.quants.parts.indices.flatMap { part -> [Stmt] in
      let name = wordsName(part)
      return [
        .array(name, extents: [product.vectors], .words),
        .each(
          "v", upTo: vectors,
          .setEntry(
            name, ["v"],
            .words(
              group,
              at: .constant(4 * columns) * word(part) + .constant(4 * lanes) * "v"
                + .constant(layout.quants[part])))),
      ]
    }
    let unpacked: Stmt = .each(
      "t", upTo: .constant(run / 4),
      .loop(index: "j", from: 0, to: 4, step: 1, body: body("k" + element, weight)))
    let oneRun = words + [unpacked]
    let oneSubBlock =
      prefetch(subBlock)
      + factors("scales", layout.scale, subBlock)
      + (layout.minimum.map { factors("minima", $0, subBlock) } ?? [])
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

  /// The vectors of a factor in a sub-block.
  private func factors(
    _ name: String, _ factor: PackedBlocks.Factor, _ subBlock: Index
  ) -> [Stmt] {
    let bytes = factor.factor.type.byteCount
    var value = LoopExpr.bytes(
      group, at: .constant(bytes * lanes) * "v" + .constant(factor.numbers),
      as: factor.factor.type)
    if let integers = factor.factor.integers {
      let place =
        Index.constant(columns) * subBlock + .constant(lanes) * "v" + .constant(factor.integers)
      value = .apply(
        .multiply,
        [
          value,
          lessened(.load(group, at: place, .all), by: PackedBlocks.zeroPoint(of: integers)),
        ])
    }
    return [
      .array(name, extents: [product.vectors], .vector),
      .each("v", upTo: vectors, .setEntry(name, ["v"], value)),
    ]
  }

  private func lessened(_ value: LoopExpr, by zeroPoint: Int) -> LoopExpr {
    zeroPoint == 0 ? value : .apply(.subtract, [value, .constant(Float(zeroPoint))])
  }

  private func wordsName(_ part: Int) -> String { part == 0 ? "words" : "words_\(part + 1)" }

  /// The bits of an element's quant in one part.
  private func quantBits(_ part: Int, _ vector: Index, _ element: Index) -> LoopExpr {
    let width = format.quants.parts[part].width
    let elements = layout.wordElements(part)
    // Where all words begin with the run, the turn of four is the run's.
    let turn: Index =
      elements == layout.run ? "t" : element % .constant(elements) / 4
    return .bits(
      .entry(wordsName(part), [vector]), from: .constant(8) * "j" + .constant(width) * turn,
      count: width)
  }

  /// Asks for a sub-block's share of blocks some way ahead, a cache line at a time.
  private func prefetch(_ subBlock: Index) -> [Stmt] {
    let ahead = columns * 4 * min(max(product.schedule.weightStepsAhead, 0), 1 << 16)
    let lines = (layout.byteCount + 64 * layout.subBlocks - 1) / (64 * layout.subBlocks)
    return [
      .loop(
        index: "v", from: 0, to: .constant(lines), step: 1,
        body: [
          .prefetchLine(
            group, byte: .constant(64 * lines) * subBlock + 64 * "v" + .constant(ahead))
        ])
    ]
  }
}
