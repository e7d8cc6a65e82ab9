package import NormGenIR

/// Sums and extrema in the orders that the graph fixes, literally.
///
/// Each order is that of the numeric contract: of a row, of a product's terms, and over rows.
package enum ExactSums {
  /// The statistic of the terms of one row, or of the products of two factors.
  static func statistic(
    _ reduction: Reduction, _ terms: [Float], times factors: [Float]?
  ) -> Float {
    func combined(_ a: Float, _ b: Float) -> Float {
      ExactArithmetic.combined(a, b, by: reduction)
    }
    let start = ExactArithmetic.identity(of: reduction)
    var total: Float?
    var first = 0
    while first < terms.count {
      let end = min(first + 4096, terms.count)
      var partials = [Float](repeating: start, count: 64)
      for i in first..<end {
        if let factors {
          partials[i % 64].addProduct(terms[i], factors[i])
        } else {
          partials[i % 64] = combined(partials[i % 64], terms[i])
        }
      }
      var half = 32
      while half >= 1 {
        for j in 0..<half { partials[j] = combined(partials[j], partials[j + half]) }
        half /= 2
      }
      total = total.map { combined($0, partials[0]) } ?? partials[0]
      first = end
    }
    let result = total ?? start
    return reduction == .mean ? result / Float(terms.count) : result
  }

  /// The weights of one column of a product of `depth` terms.
  package static func column(
    _ column: Int, of weights: [Float], depth: Int, layout: Matmul.WeightLayout
  ) -> [Float] {
    switch layout {
    case .inOut:
      stride(from: column, to: weights.count, by: weights.count / depth).map { weights[$0] }
    case .outIn: Array(weights[column * depth..<(column + 1) * depth])
    }
  }

  /// One element of a product, of a row and a column of equal length.
  package static func product(
    _ x: [Float], _ weights: [Float], _ accumulation: Matmul.Accumulation
  ) -> Float {
    x.withUnsafeBufferPointer { x in
      weights.withUnsafeBufferPointer { product(x, $0, accumulation) }
    }
  }

  /// A step of `bf16_dot`: what has been summed, and the dot product of two pairs.
  package static func dot(
    _ sum: Float, _ x: (Float, Float), _ weights: (Float, Float)
  ) -> Float {
    BF16Dot.bf16Dot(accumulator: sum, x, weights)
  }

  /// One element of a product: the terms' chains in blocks of 512, the blocks' results added.
  static func product(
    _ x: UnsafeBufferPointer<Float>, _ weights: UnsafeBufferPointer<Float>,
    _ accumulation: Matmul.Accumulation
  ) -> Float {
    var total: Float?
    var first = 0
    while first < x.count {
      let end = min(first + 512, x.count)
      var chain: Float = 0
      switch accumulation {
      case .fused:
        for k in first..<end { chain.addProduct(x[k], weights[k]) }
      case .bf16Dot:
        for k in stride(from: first, to: end, by: 2) {
          let isPair = k + 1 < end
          chain = dot(
            chain, (x[k], isPair ? x[k + 1] : 0), (weights[k], isPair ? weights[k + 1] : 0))
        }
      case .int8: preconditionFailure("integers are summed by groups")
      }
      total = total.map { $0 + chain } ?? chain
      first = end
    }
    return total ?? 0
  }

  /// The sums of `terms` over rows, one for each of `count` elements.
  ///
  /// - Parameters:
  ///   - terms: Row by row; the `perRow` terms of a row come in groups of `count`.
  ///   - factors: What the terms are multiplied by, if anything.
  package static func overRows(
    _ terms: [Float], times factors: [Float]?, rows: Int, perRow: Int, count: Int
  ) -> [Float] {
    overRows(rows: rows, count: count) { row, chain in
      for position in row * perRow..<(row + 1) * perRow {
        let element = position % count
        if let factors {
          chain[element].addProduct(terms[position], factors[position])
        } else {
          chain[element] += terms[position]
        }
      }
    }
  }

  /// The sums over rows of the products of each element of `x` with each of `y`.
  package static func outer(
    _ x: [Float], _ y: [Float], rows: Int, extents: (x: Int, y: Int)
  ) -> [Float] {
    overRows(rows: rows, count: extents.x * extents.y) { row, chain in
      for i in 0..<extents.x {
        for j in 0..<extents.y {
          chain[i * extents.y + j].addProduct(x[row * extents.x + i], y[row * extents.y + j])
        }
      }
    }
  }

  /// Chains in blocks of 256 rows, the blocks' results added.
  private static func overRows(
    rows: Int, count: Int, _ add: (_ row: Int, _ chain: inout [Float]) -> Void
  ) -> [Float] {
    var total: [Float]?
    var first = 0
    while first < rows {
      let end = min(first + 256, rows)
      var chain = [Float](repeating: 0, count: count)
      for row in first..<end { add(row, &chain) }
      total = total.map { zip($0, chain).map { $0 + $1 } } ?? chain
      first = end
    }
    return total ?? [Float](repeating: 0, count: count)
  }
}
