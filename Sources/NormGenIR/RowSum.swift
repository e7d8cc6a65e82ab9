/// A sum over the rows of a value: what gradients of parameters and batch statistics are.
///
/// Operands are one value, the term, or two, whose product each step accumulates by one fused
/// multiply-add. The result has no rows: it keeps the term's last axes, and the fixed axes before
/// them are summed like rows.
public struct RowSum: Hashable, Sendable {
  /// What is taken of the terms.
  public enum Aggregate: String, CaseIterable, Sendable, Hashable {
    /// Σ term, in the order of ``RowSumOrder``; +0 for no rows.
    case sum
    /// The sum divided by the number of terms, one correctly rounded division; NaN for no rows.
    case mean
  }

  /// What is taken of the terms.
  public let aggregate: Aggregate
  /// The fixed axes of the term that the result keeps, counted from the last one; at least 1.
  public let keptAxes: Int

  /// Creates a sum over rows.
  public init(_ aggregate: Aggregate, keeping keptAxes: Int) {
    self.aggregate = aggregate
    self.keptAxes = keptAxes
  }

  /// The shape of the sum of terms of shape `term`.
  ///
  /// - Throws: ``ShapeError`` when the term has no rows or not so many axes.
  public func resultShape(of term: Shape) throws(ShapeError) -> Shape {
    guard term.hasRows, (1...max(term.extents.count, 1)).contains(keptAxes),
      !term.extents.isEmpty
    else { throw .noRowsToSum(term, keeping: keptAxes) }
    return Shape(hasRows: false, extents: Array(term.extents.suffix(keptAxes)))
  }

  /// The name in the text form.
  public var functionName: String { "\(aggregate.rawValue)_rows" }
}

/// The canonical order of a sum over rows: a property of the graph, never of a schedule.
///
/// The rows are cut into blocks of ``block``. Inside a block there is one chain for each element of
/// the result, from +0, over increasing rows and, within a row, over the summed axes in row-major
/// order: an addition, or for a product one fused multiply-add. Block results are added in
/// increasing order: the first block's, plus the second's, and so on.
public enum RowSumOrder {
  /// Rows of a block.
  public static let block = 256
}
