extension Op {
  /// The shape of the result of applying the operation to operands of the given shapes.
  ///
  /// `requested` is the shape that `input` and `reshape` declare; other operations ignore it.
  /// Only weights, and what they are computed from, may have more than ``Shape/largestElementCount``
  /// elements.
  ///
  /// - Throws: ``ShapeError`` when the operands do not fit together.
  public func resultShape(of operands: [Shape], requested: Shape) throws(ShapeError) -> Shape {
    for (position, shape) in operands.enumerated() {
      try shape.verifyLimits(
        count: takesWeights(at: position) ? shape.largestCount : Shape.largestElementCount)
      if case .statistic = self, let extent = shape.extents.last {
        try Shape(hasRows: false, extents: [extent]).verifyLimits(count: Shape.largestElementCount)
      }
    }
    let result = try uncheckedResultShape(of: operands, requested: requested)
    try result.verifyLimits(
      count: traits.mayBeWeights ? result.largestCount : Shape.largestElementCount)
    return result
  }

  /// Whether the operand at `position` may have as many elements as weights.
  private func takesWeights(at position: Int) -> Bool {
    if case .matmul = self { return position == 1 }
    return traits.mayBeWeights
  }

  private func uncheckedResultShape(
    of operands: [Shape], requested: Shape
  ) throws(ShapeError) -> Shape {
    switch self {
    case .input:
      return requested
    case .constant:
      return .scalar
    case .elementwise, .convert:
      return try Op.broadcast(operands)
    case .statistic(let statistic):
      let term = try Op.broadcast(operands)
      guard !term.extents.isEmpty else { throw .noRowAxis(term) }
      _ = try statistic.window.count(in: term.rowExtent)
      return term.reducedOverRow
    case .reshape:
      let operand = try Op.broadcast(operands)
      guard operand.hasRows == requested.hasRows,
        operand.elementsPerRow == requested.elementsPerRow
      else { throw .elementCountChanges(from: operand, to: requested) }
      return requested
    case .dequantize(let format):
      let operand = try Op.broadcast(operands)
      guard !operand.hasRows, !operand.extents.isEmpty, operand.rowExtent % format.byteCount == 0
      else { throw .noWholeBlocks(format.name, byteCount: format.byteCount, operand) }
      let (extent, overflow) = (operand.rowExtent / format.byteCount)
        .multipliedReportingOverflow(by: format.elementCount)
      return Shape(hasRows: false, extents: operand.outerExtents + [overflow ? .max : extent])
    case .columns(let start, let count):
      let operand = try Op.broadcast(operands)
      guard !operand.extents.isEmpty, start >= 0, count >= 1, start <= operand.rowExtent,
        count <= operand.rowExtent - start
      else { throw .columnsOutsideRow(start: start, count: count, operand) }
      return Shape(hasRows: operand.hasRows, extents: operand.outerExtents + [count])
    case .concatenate:
      guard let first = operands.first, operands.contains(where: \.hasRows),
        operands.allSatisfy({ !$0.extents.isEmpty && $0.outerExtents == first.outerExtents })
      else { throw .notConcatenable(operands) }
      let extent = operands.reduce(0) { $0 + $1.rowExtent }
      return Shape(hasRows: true, extents: first.outerExtents + [extent])
    case .leadingPart(let count, let extent):
      let operand = try Op.broadcast(operands)
      guard !operand.extents.isEmpty || operand == .scalar, (1...max(extent, 1)).contains(count),
        operand.rowExtent == extent || operand.rowExtent == 1
      else { throw .noLeadingPart(count: count, extent: extent, operand) }
      return Shape(hasRows: operand.hasRows, extents: operand.outerExtents + [extent])
    case .matmul(let matmul):
      return try matmul.resultShape(
        value: operands[0], weights: operands[1],
        scales: operands.count > 2 ? operands[2] : nil)
    case .rowSum(let sum):
      return try sum.resultShape(of: try Op.broadcast(operands))
    case .outerSum:
      for operand in operands where !operand.hasRows || operand.extents.count != 1 {
        throw .noOuterFactor(operand)
      }
      return Shape(hasRows: false, extents: operands.map(\.rowExtent))
    }
  }

  private static func broadcast(_ shapes: [Shape]) throws(ShapeError) -> Shape {
    var result = Shape.scalar
    // Rows meet the widest operand only, so the ranks are settled first.
    for shape in shapes.sorted(by: { $0.extents.count > $1.extents.count }) {
      result = try result == .scalar ? shape : result.broadcast(with: shape)
    }
    return result
  }
}
