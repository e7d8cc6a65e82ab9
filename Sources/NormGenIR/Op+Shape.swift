extension Op {
  /// The shape of the result of applying the operation to operands of the given shapes.
  ///
  /// `requested` is the shape that `input` and `reshape` declare; other operations ignore it.
  ///
  /// - Throws: ``ShapeError`` when the operands do not fit together.
  public func resultShape(of operands: [Shape], requested: Shape) throws(ShapeError) -> Shape {
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
