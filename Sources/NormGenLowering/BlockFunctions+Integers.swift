import NormGenIR
import NormGenLoops

/// The tile of a product of integers: exact sums of a group's products, then one step of each chain.
extension BlockFunctions {
  /// The name of that tile.
  var integerTileName: String { "tile_of_integers_\(product.extents)" }

  func integerTile() -> LoopFunction {
    let sum = Pointer(name: "sum", storage: .f32)
    let stored: Stmt = overSums([
      .pointer(
        sum, buffer: product.sums.name,
        offset: .constant(product.sumsStride) * "r" + .constant(lanes) * "v"),
      .store(sum, at: 0, .entry("chain", ["r", "v"]), .all),
    ])
    let subBlocks = layout.subBlocks
    let group = Group(layout)
    let side = Side(slivers: nil, functions: self)
    // Where the sums of few rows are over before the next blocks have come from memory, the processor's own
    // prefetching of one stream is faster without requests between its own (Zen 4: by 1.3 for q8_0).
    let mostStreamedRows = format.quants.parts.count > 1 ? 0 : subBlocks > 1 ? 1 : 2
    let requests: Stmt = .when(
      .constant(mostStreamedRows) < "height", prefetch(group.index, side), otherwise: [])
    let oneGroup =
      (mostStreamedRows > 0 ? [requests] : prefetch(group.index, side)) + factors(group.index, side)
      + sums(of: group, side)
      + [finish(group)]
    return LoopFunction(
      integerTileName,
      comment:
        "The sums of `height` rows of integers and the \(columns) columns of a sliver: for each one chain "
        + "from +0 of fused multiply-adds, with an exact sum of \(layout.subBlockElements) products in each.",
      linkage: .inlined,
      parameters: [.read(product.x)] + product.besides.map { .read($0.pointer) }
        + [.read(packed), .written(product.sums), .init("height", .constant)],
      body: Tile.zeros(
        rows: product.product.tile.rows, vectors: product.vectors, height: "height") + [
          .loop(
            index: "k", from: 0, to: .constant(product.product.depth),
            step: .constant(format.elementCount),
            body: [
              .pointer(
                self.group, buffer: packed.name,
                offset: .constant(layout.byteCount) * block(of: "k"))
            ]
              + (subBlocks > 1
                ? [.loop(index: "s", from: 0, to: .constant(subBlocks), step: 1, body: oneGroup)]
                : oneGroup)), stored,
        ])
  }

  /// A group of elements that share all factors, taken in turns: sums are converted after some runs of
  /// words, and a word holds some steps of four elements.
  private struct Group {
    /// The group in its block.
    let index: Index
    /// Conversions, runs for each, and steps for each of those.
    let turns: Int
    let runs: Int
    let steps: Int
    private let levels: [(variable: Index, elements: Int)]

    init(_ layout: PackedBlocks) {
      steps = layout.run / 4
      runs = layout.quadSteps / steps
      turns = layout.subBlockElements / (4 * layout.quadSteps)
      index = layout.subBlocks > 1 ? "s" : 0
      levels = [
        ("s", layout.subBlocks, layout.subBlockElements), ("f", turns, 4 * layout.quadSteps),
        ("u", runs, layout.run),
      ].filter { $0.1 > 1 }.map { ($0.0, $0.2) }
    }

    /// The first element of a run in its block, in units of some elements.
    func run(in unit: Int = 1) -> Index {
      guard levels.allSatisfy({ $0.elements % unit == 0 }) else { return run() / .constant(unit) }
      return levels.reduce(0) { $0 + .constant($1.elements / unit) * $1.variable }
    }

    /// Loops over what there is more than one of.
    func loop(_ variable: String, _ count: Int, _ body: [Stmt]) -> [Stmt] {
      count > 1
        ? [.loop(index: variable, from: 0, to: .constant(count), step: 1, body: body)] : body
    }
  }

  /// The sums of a group: `dots`, or Float32 `totals` if they are converted more than once.
  private func sums(of group: Group, _ side: Side) -> [Stmt] {
    let parts = format.quants.parts
    let kind = layout.quadSums
    let step: Index = group.steps > 1 ? "t" : 0
    let words = parts.indices.flatMap { part in
      side.vectors(
        wordsName(part), .words,
        .words(
          self.group,
          at: side.place(4 * lanes)
            + .constant(4 * columns) * group.run(in: layout.wordElements(part))
            + .constant(layout.quants[part])))
    }
    var bytes: LoopExpr?
    var place = 0
    for (part, own) in parts.enumerated() {
      let elements = layout.wordElements(part)
      let turn =
        elements == layout.run
        ? step : (group.run() + .constant(4) * step) % .constant(elements) / 4
      let next = LoopExpr.quads(
        .entry(wordsName(part), ["v"]), from: .constant(own.width) * turn, count: own.width,
        at: place)
      bytes = bytes.map { .joined($0, next, at: 0) } ?? next
      place += own.width
    }
    let x = product.x
    let element =
      Index.constant(product.xStride) * "r" + ("k" + group.run() + .constant(4) * step)
    let oneStep =
      side.vectors("weights", .words, bytes ?? .constant(0)) + [
        .each(
          "r", upTo: "height",
          .define("quad", .quad(x, at: element)),
          .each(
            "v", upTo: vectors,
            .setEntry(
              "dots", ["r", "v"],
              .quadDot(
                kind, .entry("dots", ["r", "v"]), words: .entry("weights", ["v"]),
                quad: .vector("quad")))))
      ]
    let rows = product.product.tile.rows
    let zeros: [Stmt] = [
      .array("dots", extents: [rows, product.vectors], .quadSums(kind)),
      overSums([.setEntry("dots", ["r", "v"], .quadZeros(kind))]),
    ]
    let oneTurn = zeros + group.loop("u", group.runs, words + group.loop("t", group.steps, oneStep))
    guard group.turns > 1 else { return oneTurn }
    let total = LoopExpr.apply(
      .add, [.entry("totals", ["r", "v"]), .quadTotal(kind, .entry("dots", ["r", "v"]))])
    return [
      .array("totals", extents: [rows, product.vectors], .vector),
      overSums([.setEntry("totals", ["r", "v"], .broadcast(.constant(0)))]),
    ]
      + group.loop(
        "f", group.turns, oneTurn + [overSums([.setEntry("totals", ["r", "v"], total)])])
  }

  /// Takes a group's sums into the chains.
  ///
  /// What quants count from is subtracted in Float32, which holds all numbers exactly.
  private func finish(_ group: Group) -> Stmt {
    guard let strides = product.integerStrides, let integers = product.product.integers,
      let scales = strides.scales
    else {
      return .comment("")
    }
    let first = "k" + .constant(layout.subBlockElements) * group.index
    func element(_ pointer: Pointer, _ stride: Int, _ place: Index) -> LoopExpr {
      .broadcast(.loadScalar(pointer, at: .constant(stride) * "r" + place))
    }
    let total =
      group.turns > 1
      ? LoopExpr.entry("totals", ["r", "v"])
      : .quadTotal(layout.quadSums, .entry("dots", ["r", "v"]))
    var values: [Stmt] = [
      .define("x_scale", element(product.xScales, scales, first / .constant(integers.group)))
    ]
    var number = total
    if let stride = strides.sums {
      values.append(
        .define(
          "x_sum",
          element(product.xSums, stride, block(of: "k") * .constant(layout.subBlocks) + group.index)
        ))
      if format.zeroPoints != nil {
        // Exact, as its product and sum are.
        values.append(.define("minus_x_sum", .apply(.negate, [.vector("x_sum")])))
        number = .apply(
          .multiplyAdd, [.vector("minus_x_sum"), .entry("zero_points", ["v"]), total])
      } else if layout.zeroPoint != 0 {
        values.append(
          .define(
            "excess",
            .apply(
              .multiply,
              [.vector("x_sum"), .broadcast(.constant(Float(layout.zeroPoint)))])))
        number = .apply(.subtract, [total, .vector("excess")])
      }
    }
    func add(_ number: LoopExpr, _ factors: String) -> Stmt {
      .setEntry(
        "chain", ["r", "v"],
        .apply(
          .multiplyAdd,
          [
            number, .apply(.multiply, [.vector("x_scale"), .entry(factors, ["v"])]),
            .entry("chain", ["r", "v"]),
          ]))
    }
    let steps =
      [add(number, "scales")]
      + (format.minimum == nil ? [] : [add(.vector("x_sum"), "offsets")])
    return .loop(
      index: "r", from: 0, to: "height", step: 1,
      body: values + [.loop(index: "v", from: 0, to: vectors, step: 1, body: steps)])
  }

  private func overSums(_ body: [Stmt]) -> Stmt {
    .each(
      "r", upTo: "height", .loop(index: "v", from: 0, to: vectors, step: 1, body: body))
  }

  /// The function that multiplies.
  func multiplyIntegers() -> LoopFunction {
    let sliverSums = Pointer(name: "sliver_sums", storage: .f32)
    let heights = product.product.tile.heights.map { height in
      LoopStrip(
        count: height,
        body: [
          .call(
            integerTileName,
            [.place(product.x.name, at: .constant(product.xStride) * "row")]
              + product.besides.map { .place($0.pointer.name, at: .constant($0.stride) * "row") }
              + [
                .place(packed.name, at: 0),
                .place(sliverSums.name, at: .constant(product.sumsStride) * "row"),
                .index(.constant(height)),
              ])
        ])
    }
    return LoopFunction(
      product.name, comment: product.multiplyComment,
      parameters: [.init("rows", .index), .read(product.x)]
        + product.besides.map { .read($0.pointer) }
        + [
          .read(product.weights), .written(product.sums), .init("first", .index),
          .init("end", .index),
        ],
      body: [
        .loop(
          index: "sliver", from: "first", to: "end", step: 1,
          body: [
            .pointer(
              packed, buffer: product.weights.name, offset: .constant(sliverBytes) * "sliver"),
            .pointer(
              sliverSums, buffer: product.sums.name, offset: .constant(columns) * "sliver"),
            .strips(index: "row", to: "rows", heights),
          ])
      ])
  }
}
