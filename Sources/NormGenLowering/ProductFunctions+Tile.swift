import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The tile of a product: rows by vectors of columns, each sum a chain.
extension ProductFunctions {
  func tile() -> LoopFunction {
    let sliver = Pointer(name: "sliver", storage: tiledStorage)
    return LoopFunction(
      tileName,
      comment:
        "The sums of `height` rows and the \(columns) columns of a sliver over `depth` steps, "
        + (sumsIntegers
          ? "exact ones of products of integers. They begin at -128 times the row's sum, as packed weights are 128 more."
          : "for each one chain of \(instruction.summary) from +0. What an earlier block has summed is added to."),
      linkage: .inlined,
      parameters: [.init("depth", .index), .read(x)] + besides.map { .read($0.pointer) } + [
        .read(sliver), .written(sums),
      ] + (sumsIntegers ? [] : [.init("is_first", .flag)]) + [.init("height", .constant)],
      body: (sumsIntegers
        ? integerStarts()
        : Tile.zeros(rows: product.tile.rows, vectors: vectors, height: "height"))
        + steps(sliver)
        + [
          Tile.store(
            vectors: .constant(vectors), lanes: lanes, height: "height",
            stride: .constant(sumsStride), areIntegers: sumsIntegers)
        ])
  }

  /// The chains of integers: −128 times the sum of the row's.
  private func integerStarts() -> [Stmt] {
    let sum = LoopExpr.broadcast(
      .loadScalar(xSums, at: .constant(integerStrides?.sums ?? 0) * "r"))
    return [
      .array("chain", extents: [product.tile.rows, vectors], .quadSums(.wide)),
      .each(
        "r", upTo: "height",
        .define("start", .apply(.multiply, [sum, .broadcast(.constant(-128))])),
        .each(
          "v", upTo: .constant(vectors),
          .setEntry("chain", ["r", "v"], .quadStart(.vector("start"))))),
    ]
  }

  /// The steps of all rows, then what is left of one.
  private func steps(_ sliver: Pointer) -> [Stmt] {
    let step = Pointer(name: "step", storage: tiledStorage)
    let whole: Stmt = .loop(
      index: "k", from: 0, to: "depth" - .constant(instruction.step - 1),
      step: .constant(instruction.step),
      body: [
        .pointer(step, buffer: sliver.name, offset: .constant(columns) * "k"),
        .array("weights", extents: [vectors], instruction.register),
      ] + loads(step) + prefetch(step) + [
        overRows(at: "k", isPartial: false) { .entry("weights", [$0]) }
      ])
    let left = product.depth % instruction.step
    guard left > 0 else { return [whole] }
    // The last steps, beside which the block holds zeros.
    let first = "depth" - Index.constant(left)
    return [
      whole,
      .when(
        .equal("depth" % .constant(instruction.step), .constant(left)),
        [
          overRows(at: first, isPartial: true) {
            instruction.weights(sliver, at: .constant(columns) * first + weightsPlace($0))
          }
        ], otherwise: []),
    ]
  }

  /// Where a register of a step's weights begins.
  private func weightsPlace(_ vector: Index) -> Index {
    .constant(instruction.step * lanes) * vector
  }

  /// The weights of a step, in registers.
  private func loads(_ step: Pointer) -> [Stmt] {
    guard order.turns > 1 else {
      return [
        .each(
          "v", upTo: .constant(vectors),
          .setEntry("weights", ["v"], instruction.weights(step, at: weightsPlace("v"))))
      ]
    }
    return [
      .define("pairs", .pairs(step, at: 0)),
      .setEntry("weights", [0], .widened(isSecond: false, .vector("pairs"))),
      .setEntry("weights", [1], .widened(isSecond: true, .vector("pairs"))),
    ]
  }

  /// Adds the products of a step for every row.
  private func overRows(
    at k: Index, isPartial: Bool, _ weights: (Index) -> LoopExpr
  ) -> Stmt {
    let place = Index.constant(xStride) * "r" + k
    return .each(
      "r", upTo: "height",
      .define(instruction.operand, instruction.operand(of: x, at: place, isPartial: isPartial)),
      .each("v", upTo: .constant(vectors), instruction.added(weights("v"))))
  }

  /// Asks for weights some steps ahead, a cache line at a time.
  func prefetch(_ step: Pointer) -> [Stmt] {
    // Values of blocks have just been stored.
    guard product.format == nil else { return [] }
    let bytes = columns * product.storage.byteCount * instruction.step
    let ahead = Index.constant(
      columns * product.storage.byteCount * min(max(schedule.weightStepsAhead, 0), 1 << 16))
    let requests: Stmt =
      bytes > 64
      ? .loop(
        index: "v", from: 0, to: .constant(bytes / 64), step: 1,
        body: [.prefetchLine(step, byte: ahead + 64 * "v", level: 1)])
      : .prefetchLine(step, byte: ahead, level: 1)
    // Few rows of bytes are multiplied before the next weights are there.
    return sumsIntegers ? [.when(4 < "height", [requests], otherwise: [])] : [requests]
  }
}
