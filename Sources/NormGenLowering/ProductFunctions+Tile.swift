import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The tile of a product: rows by vectors of columns, each sum a chain.
extension ProductFunctions {
  func tile() -> LoopFunction {
    let panel = Pointer(name: "panel", storage: product.storage)
    let chains = isDot ? "dot products of bf16 pairs" : "fused multiply-adds"
    return LoopFunction(
      tileName,
      comment:
        "The sums of `height` rows and the \(columns) columns of a panel over `depth` steps, "
        + "for each one chain of \(chains) from +0. What an earlier block has summed is added to.",
      linkage: .inlined,
      parameters: [
        .init("depth", .index), .read(x), .read(panel), .written(sums), .init("is_first", .flag),
        .init("height", .constant),
      ],
      body: Tile.zeros(rows: target.matmulTile.rows, vectors: vectors, height: "height")
        + (isDot ? dotSteps(panel) : fusedSteps(panel))
        + [
          Tile.store(
            vectors: vectors, lanes: lanes, height: "height", stride: .constant(sumsStride))
        ])
  }

  func fusedSteps(_ panel: Pointer) -> [Stmt] {
    let step = Pointer(name: "step", storage: product.storage)
    var body: [Stmt] = [
      .pointer(step, buffer: panel.name, offset: .constant(columns) * "k"),
      .array("weights", extents: [vectors], .vector),
    ]
    if isInterleaved {
      body += [
        .define("pairs", .pairs(step, at: 0)),
        .setEntry("weights", [0], .widened(isSecond: false, .vector("pairs"))),
        .setEntry("weights", [1], .widened(isSecond: true, .vector("pairs"))),
      ]
    } else {
      body.append(
        .each(
          "v", upTo: .constant(vectors),
          .setEntry("weights", ["v"], .load(step, at: .constant(lanes) * "v", .all))))
    }
    body += prefetch(step)
    body.append(
      .loop(
        index: "r", from: 0, to: "height", step: 1,
        body: [
          .define("element", .broadcast(.loadScalar(x, at: .constant(xStride) * "r" + "k"))),
          .each(
            "v", upTo: .constant(vectors), Tile.add(.vector("element"), .entry("weights", ["v"]))),
        ]))
    return [.loop(index: "k", from: 0, to: "depth", step: 1, body: body)]
  }

  func dotSteps(_ panel: Pointer) -> [Stmt] {
    let step = Pointer(name: "step", storage: product.storage)
    func added(_ pair: LoopExpr, _ weights: LoopExpr) -> Stmt {
      .setEntry("chain", ["r", "v"], .dot(.entry("chain", ["r", "v"]), pair, weights))
    }
    let place: Index = .constant(xStride) * "r"
    let body: [Stmt] =
      [
        .pointer(step, buffer: panel.name, offset: .constant(columns) * "k"),
        .array("weights", extents: [vectors], .pairs),
        .each(
          "v", upTo: .constant(vectors),
          .setEntry("weights", ["v"], .pairs(step, at: .constant(2 * lanes) * "v"))),
      ] + prefetch(step) + [
        .loop(
          index: "r", from: 0, to: "height", step: 1,
          body: [
            .define("pair", .pair(x, at: place + "k", isHalf: false)),
            .each("v", upTo: .constant(vectors), added(.vector("pair"), .entry("weights", ["v"]))),
          ])
      ]
    let steps: Stmt = .loop(index: "k", from: 0, to: "depth" - 1, step: 2, body: body)
    guard product.depth % 2 == 1 else { return [steps] }
    // The last step of an odd depth, whose pair is half a zero.
    let last = Index.constant(columns) * ("depth" - 1) + .constant(2 * lanes) * "v"
    let odd: Stmt = .when(
      .equal("depth" % 2, 1),
      [
        .loop(
          index: "r", from: 0, to: "height", step: 1,
          body: [
            .define("pair", .pair(x, at: place + ("depth" - 1), isHalf: true)),
            .each("v", upTo: .constant(vectors), added(.vector("pair"), .pairs(panel, at: last))),
          ])
      ], otherwise: [])
    return [steps, odd]
  }

  /// Asks for weights some steps ahead, a cache line at a time.
  func prefetch(_ step: Pointer) -> [Stmt] {
    let bytes = columns * product.storage.byteCount * product.matmul.accumulation.step.depth
    let ahead = Index.constant(
      columns * product.storage.byteCount * min(max(schedule.weightStepsAhead, 0), 1 << 16))
    guard bytes > 64 else { return [.prefetchLine(step, byte: ahead)] }
    return [
      .loop(
        index: "v", from: 0, to: .constant(bytes / 64), step: 1,
        body: [
          .prefetchLine(step, byte: ahead + 64 * "v")
        ])
    ]
  }
}
