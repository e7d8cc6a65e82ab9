import NormGenIR

/// Sums over rows in the order that ``RowSumOrder`` fixes, literally.
enum RowSumEvaluation {
  /// What is added up: one factor, or two that are multiplied.
  struct Terms {
    /// The fixed extents of a row of terms.
    let extents: [Int]
    /// The factors' elements, row by row.
    let factors: [[Bounded]]
    /// Whether the factors are one value.
    let isSquare: Bool
  }

  /// The sum of all rows of `terms`.
  static func sum(_ sum: RowSum, terms: Terms, rows: Int) -> [Bounded] {
    let rowCount = terms.extents.reduce(1, *)
    let count = terms.extents.suffix(sum.keptAxes).reduce(1, *)
    let totals = blocks(of: rows, count: count) { block in
      var chain = [Bounded](repeating: Bounded(0), count: count)
      for start in stride(
        from: block.lowerBound * rowCount, to: block.upperBound * rowCount, by: count)
      {
        for element in 0..<count {
          let place = start + element
          chain[element] =
            terms.factors.count == 2
            ? terms.factors[0][place].multiplyAdd(
              terms.factors[1][place], chain[element], isSquare: terms.isSquare)
            : chain[element] + terms.factors[0][place]
        }
      }
      return chain
    }
    switch sum.aggregate {
    case .sum: return totals
    case .mean:
      let terms = Bounded(Double(Float(rows * (rowCount / count))))
      return totals.map { $0 / terms }
    }
  }

  /// The sums of the products of the elements of `x` with those of `y`.
  static func outerSum(
    _ x: [Bounded], _ y: [Bounded], extents: [Int], rows: Int
  ) -> [Bounded] {
    blocks(of: rows, count: extents[0] * extents[1]) { block in
      var chain = [Bounded](repeating: Bounded(0), count: extents[0] * extents[1])
      for row in block {
        for i in 0..<extents[0] {
          let factor = x[row * extents[0] + i]
          for j in 0..<extents[1] {
            let place = i * extents[1] + j
            chain[place] = factor.multiplyAdd(y[row * extents[1] + j], chain[place])
          }
        }
      }
      return chain
    }
  }

  /// The results of the blocks of rows, added in increasing order.
  private static func blocks(
    of rows: Int, count: Int, _ body: (Range<Int>) -> [Bounded]
  ) -> [Bounded] {
    var totals: [Bounded]?
    for start in stride(from: 0, to: rows, by: RowSumOrder.block) {
      let block = body(start..<min(start + RowSumOrder.block, rows))
      totals = totals.map { zip($0, block).map { $0 + $1 } } ?? block
    }
    return totals ?? [Bounded](repeating: Bounded(0), count: count)
  }
}
