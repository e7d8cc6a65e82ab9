public import NormGenIR

extension Tensor {
  /// The elementwise sum, one rounding.
  public static func + (left: Tensor, right: Tensor) -> Tensor { apply(.add, [left, right]) }
  /// The elementwise difference, one rounding.
  public static func - (left: Tensor, right: Tensor) -> Tensor { apply(.subtract, [left, right]) }
  /// The elementwise product, one rounding; never fused with a later sum, see ``multiplyAdd(_:_:)``.
  public static func * (left: Tensor, right: Tensor) -> Tensor { apply(.multiply, [left, right]) }
  /// The elementwise quotient, one rounding.
  public static func / (left: Tensor, right: Tensor) -> Tensor { apply(.divide, [left, right]) }
  /// The negation, exact.
  public static prefix func - (operand: Tensor) -> Tensor { apply(.negate, [operand]) }

  /// The sum with a constant.
  public static func + (left: Tensor, right: Float) -> Tensor { left + .constant(right) }
  /// The sum with a constant.
  public static func + (left: Float, right: Tensor) -> Tensor { .constant(left) + right }
  /// The difference with a constant.
  public static func - (left: Tensor, right: Float) -> Tensor { left - .constant(right) }
  /// The difference with a constant.
  public static func - (left: Float, right: Tensor) -> Tensor { .constant(left) - right }
  /// The product with a constant.
  public static func * (left: Tensor, right: Float) -> Tensor { left * .constant(right) }
  /// The product with a constant.
  public static func * (left: Float, right: Tensor) -> Tensor { .constant(left) * right }
  /// The quotient with a constant.
  public static func / (left: Tensor, right: Float) -> Tensor { left / .constant(right) }
  /// The quotient with a constant.
  public static func / (left: Float, right: Tensor) -> Tensor { .constant(left) / right }

  /// self · factor + addend with one rounding.
  public func multiplyAdd(
    _ factor: Tensor, _ addend: Tensor, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    .apply(.multiplyAdd, [self, factor, addend], fileID: fileID, line: line)
  }

  /// The larger of two values; NaN if either is NaN.
  public func maximum(
    _ other: Tensor, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    .apply(.maximum, [self, other], fileID: fileID, line: line)
  }

  /// The smaller of two values; NaN if either is NaN.
  public func minimum(
    _ other: Tensor, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    .apply(.minimum, [self, other], fileID: fileID, line: line)
  }

  /// `greater` where self > threshold, else `otherwise` (also where either is NaN).
  public func select(
    ifGreaterThan threshold: Tensor, _ greater: Tensor, else otherwise: Tensor,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let storage = DType.promoted([greater.storage, otherwise.storage])
    let selected = Tensor.apply(
      .selectGreater, [self, threshold, greater, otherwise], fileID: fileID, line: line)
    return selected.stored(as: storage ?? selected.storage)
  }

  /// |x|.
  public func absolute() -> Tensor { .apply(.absolute, [self]) }
  /// The greatest power of two up to |x| that Float32 holds, exact: 2¹²⁷ for infinity, 0 for 0, NaN
  /// for NaN. Its gradient is 0.
  public func binade() -> Tensor { .apply(.binade, [self]) }
  /// √x, correctly rounded; NaN below zero.
  public func squareRoot() -> Tensor { .apply(.squareRoot, [self]) }
  /// eˣ.
  public func exp() -> Tensor { .apply(.exp, [self]) }
  /// The natural logarithm.
  public func log() -> Tensor { .apply(.log, [self]) }
  /// The error function.
  public func erf() -> Tensor { .apply(.erf, [self]) }
}

extension Tensor {
  /// Σ over a window of the row, in the canonical order of `SumOrder`; one number per row.
  ///
  /// If the tensor is a product, each term is accumulated by one fused multiply-add.
  public func sum(
    over window: StatisticWindow = .all, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    statistic(.sum, window, fileID, line)
  }

  /// The sum divided by the number of terms, one correctly rounded division.
  public func mean(
    over window: StatisticWindow = .all, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    statistic(.mean, window, fileID, line)
  }

  /// The largest element of a window of the row; NaN if any is NaN.
  public func rowMaximum(
    over window: StatisticWindow = .all, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    statistic(.max, window, fileID, line)
  }

  /// The smallest element of a window of the row; NaN if any is NaN.
  public func rowMinimum(
    over window: StatisticWindow = .all, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    statistic(.min, window, fileID, line)
  }

  func statistic(
    _ reduction: Reduction, _ window: StatisticWindow, _ fileID: String, _ line: UInt
  ) -> Tensor {
    let location = SourceLocation(fileID: fileID, line: line)
    let op = Op.statistic(Statistic(reduction, over: window))
    if reduction.isSum, node.error == nil, case .elementwise(.multiply) = node.op {
      let factors = node.operands.map { Tensor(node: $0, storage: nil) }
      // A factor may be wider than the other; the term has the product's shape.
      return Tensor.make(op, factors, storage: nil, location: location)
    }
    return Tensor.make(op, [self], storage: nil, location: location)
  }
}
