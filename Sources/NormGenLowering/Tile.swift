import NormGenIR
import NormGenLoops

/// The statements that the tiles of products with weights and of outer sums have in common: the chains
/// `chain[r][v]`, one for each row and each lane of each vector.
enum Tile {
  /// The chains at +0.
  ///
  /// - Parameter count: The vectors that are used, all by default.
  static func zeros(rows: Int, vectors: Int, count: Index? = nil, height: Index) -> [Stmt] {
    [
      .array("chain", extents: [rows, vectors], .vector),
      over(
        count ?? .constant(vectors), height,
        [.setEntry("chain", ["r", "v"], .broadcast(.constant(0)))]),
    ]
  }

  /// A product of a row's element and a vector, added with one rounding.
  static func add(_ element: LoopExpr, _ vector: LoopExpr) -> Stmt {
    .setEntry(
      "chain", ["r", "v"],
      .apply(.multiplyAdd, [element, vector, .entry("chain", ["r", "v"])]))
  }

  /// The chains as sums of this block, added to what earlier blocks have left in `sums`; those of integers
  /// are over all blocks.
  static func store(
    vectors: Index, lanes: Int, height: Index, stride: Index, areIntegers: Bool = false
  ) -> Stmt {
    let sum = Pointer(name: "sum", storage: .f32)
    let chain = LoopExpr.entry("chain", ["r", "v"])
    let total =
      areIntegers
      ? LoopExpr.quadTotal(.wide, chain)
      : .choose(.flag("is_first"), chain, .apply(.add, [.load(sum, at: 0, .all), chain]))
    return over(
      vectors, height,
      [
        .pointer(sum, buffer: "sums", offset: stride * "r" + .constant(lanes) * "v"),
        .store(sum, at: 0, total, .all),
      ])
  }

  private static func over(_ vectors: Index, _ height: Index, _ body: [Stmt]) -> Stmt {
    .each(
      "r", upTo: height,
      .loop(index: "v", from: 0, to: vectors, step: 1, body: body))
  }
}
