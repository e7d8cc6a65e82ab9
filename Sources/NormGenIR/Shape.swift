/// One axis of a shape as it is written in the DSL: `.rows` or a fixed number of elements.
public enum Extent: Hashable, Sendable, ExpressibleByIntegerLiteral {
  /// The number of rows, known only when the kernel is called.
  case rows
  /// A number of elements fixed when the kernel is compiled.
  case fixed(Int)

  public init(integerLiteral value: Int) {
    self = .fixed(value)
  }
}

/// The extents of a value, row-major: an optional leading dynamic `rows`, then fixed extents.
///
/// The last axis is the row: statistics reduce it, and its extent is the hidden size. Shapes
/// broadcast against each other as in NumPy, aligned at the last axis.
public struct Shape: Hashable, Sendable {
  /// Whether the leading axis is the dynamic number of rows.
  public let hasRows: Bool
  /// The fixed extents that follow, outermost first; each is at least 1.
  public let extents: [Int]

  /// Creates a shape; `extents` may be empty for a scalar.
  public init(hasRows: Bool, extents: [Int]) {
    self.hasRows = hasRows
    self.extents = extents
  }

  /// A shape without axes: one element.
  public static let scalar = Shape(hasRows: false, extents: [])

  /// Creates a shape from DSL extents.
  ///
  /// - Throws: ``ShapeError`` when `.rows` is not the first axis, an extent is below 1, or there are
  ///   too many axes or elements.
  public init(_ axes: [Extent]) throws(ShapeError) {
    var extents: [Int] = []
    var hasRows = false
    for (position, axis) in axes.enumerated() {
      switch axis {
      case .rows:
        guard position == 0 else { throw .rowsNotFirst(position: position) }
        hasRows = true
      case .fixed(let extent):
        guard extent >= 1 else { throw .extentBelowOne(extent, position: position) }
        extents.append(extent)
      }
    }
    self.init(hasRows: hasRows, extents: extents)
    try verifyLimits(count: largestCount)
  }

  /// The axes of a shape, `rows` included: each axis before the row is a loop around the others.
  public static let mostAxes = 32

  /// The elements that belong to one index of `rows`: beyond any model's, and few enough for the
  /// verifiers to follow every access. Whatever rows meet elementwise has no more either.
  public static let largestElementCount = 1 << 24

  /// The elements of an input without rows: beyond any model's weights.
  public static let largestWeightCount = 1 << 31

  /// The elements that an input of this shape may have.
  var largestCount: Int { hasRows ? Shape.largestElementCount : Shape.largestWeightCount }

  /// - Throws: ``ShapeError/tooManyAxes(_:limit:)`` beyond ``mostAxes``,
  ///   ``ShapeError/tooManyElements(_:limit:)`` when the fixed extents hold more elements than `limit`.
  func verifyLimits(count limit: Int) throws(ShapeError) {
    let axes = extents.count + (hasRows ? 1 : 0)
    guard axes <= Shape.mostAxes else { throw .tooManyAxes(axes, limit: Shape.mostAxes) }
    var count = 1
    for extent in extents {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= limit else {
        throw .tooManyElements(extents, limit: limit)
      }
      count = product
    }
  }

  /// The extent of the last fixed axis, the row; 1 for a shape without fixed axes.
  public var rowExtent: Int { extents.last ?? 1 }

  /// The fixed extents before the last one.
  public var outerExtents: [Int] { Array(extents.dropLast()) }

  /// The extents of a tensor of this shape in a call of `rows` rows.
  public func extents(rows: Int) -> [Int] { (hasRows ? [rows] : []) + extents }

  /// The indices along the axes, `rows` included, of the element at a row-major position.
  public func indices(of position: Int) -> [Int] {
    let count = elementsPerRow
    var rest = position % count
    var indices: [Int] = []
    for extent in extents.reversed() {
      indices.append(rest % extent)
      rest /= extent
    }
    return (hasRows ? [position / count] : []) + indices.reversed()
  }

  /// The number of elements that belong to one index of the `rows` axis.
  public var elementsPerRow: Int { extents.reduce(1, *) }

  /// The shape of a statistic of a value with this shape: the last axis becomes 1.
  public var reducedOverRow: Shape {
    Shape(hasRows: hasRows, extents: extents.isEmpty ? [] : outerExtents + [1])
  }

  /// The shape of an elementwise result of two values.
  ///
  /// - Throws: ``ShapeError/notBroadcastable(_:_:)`` when two extents differ and neither is 1.
  public func broadcast(with other: Shape) throws(ShapeError) -> Shape {
    if self == other { return self }
    let rank = max(extents.count, other.extents.count)
    // With `rows` in front of fewer fixed axes, `rows` would meet a fixed extent.
    for shape in [self, other] where shape.hasRows && shape.extents.count < rank {
      throw .notBroadcastable(self, other)
    }
    var result: [Int] = []
    for position in 0..<rank {
      let left = extent(fromEnd: rank - 1 - position)
      let right = other.extent(fromEnd: rank - 1 - position)
      guard left == right || left == 1 || right == 1 else {
        throw .notBroadcastable(self, other)
      }
      result.append(max(left, right))
    }
    return Shape(hasRows: hasRows || other.hasRows, extents: result)
  }

  private func extent(fromEnd position: Int) -> Int {
    position < extents.count ? extents[extents.count - 1 - position] : 1
  }
}

extension Shape: CustomStringConvertible {
  /// The shape in the text form, such as `[rows, 32, 128]`.
  public var description: String {
    let axes = (hasRows ? ["rows"] : []) + extents.map(String.init)
    return "[" + axes.joined(separator: ", ") + "]"
  }
}

/// A shape that cannot be formed.
public enum ShapeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// `.rows` stands at an axis other than the first.
  case rowsNotFirst(position: Int)
  /// A fixed extent is zero or negative.
  case extentBelowOne(Int, position: Int)
  /// There are more axes than `limit`, `rows` included.
  case tooManyAxes(Int, limit: Int)
  /// The product of the fixed extents exceeds `limit`.
  case tooManyElements([Int], limit: Int)
  /// Two shapes have no common broadcast shape.
  case notBroadcastable(Shape, Shape)
  /// A statistic's window is empty or longer than the row.
  case windowOutsideRow(StatisticWindow, rowExtent: Int)
  /// Columns were asked for that the last axis does not have.
  case columnsOutsideRow(start: Int, count: Int, Shape)
  /// Values that do not agree in all axes but the last, or none with rows, were to be concatenated.
  case notConcatenable([Shape])
  /// A leading part was asked for that a row of this extent or this value cannot have.
  case noLeadingPart(count: Int, extent: Int, Shape)
  /// A statistic was asked of a value that has no row axis.
  case noRowAxis(Shape)
  /// Blocks of so many bytes were asked for whose bytes a value's last axis does not hold.
  case noWholeBlocks(String, byteCount: Int, Shape)
  /// A row that does not hold whole blocks of so many elements.
  case rowNotInBlocks(String, elementCount: Int, Shape)
  /// Rows that are not one axis of whole groups of so many elements.
  case rowNotInGroups(Int, Shape)
  /// A reshape changes the number of elements of a row.
  case elementCountChanges(from: Shape, to: Shape)
  /// A sum over rows was asked of a value without rows, or of fewer axes than it must keep.
  case noRowsToSum(Shape, keeping: Int)
  /// A factor of an outer sum has no rows, or other than one fixed axis.
  case noOuterFactor(Shape)
  /// Channels, the first fixed axis, that a number of groups does not divide.
  case channelsNotInGroups(Int, Shape)
  /// A matmul's value has no rows or no axis to multiply along.
  case noMatrixRow(Shape)
  /// Weights with rows, or with other than two axes.
  case weightsOfOtherRank(Shape)
  /// Weights that take rows of another extent.
  case weightsDoNotFit(Shape, Matmul.WeightLayout, rowExtent: Int)
  /// The scales of a product's value are not one for every so many elements of its rows of one axis.
  case scalesDoNotFit(Shape, Shape)
  /// Groups that do not divide the last axis of a value without rows; nil for all of it.
  case axisNotInGroups(Int?, Shape)
  /// Scales or zero points, by their label, that are not one for each group.
  case factorsDoNotFit(String, Shape, expected: Shape)

  public var description: String {
    switch self {
    case .rowsNotFirst(let position):
      "'rows' must be the first axis, found it at axis \(position)"
    case .extentBelowOne(let extent, let position):
      "axis \(position) must have an extent of at least 1, found \(extent)"
    case .tooManyAxes(let count, let limit):
      "a shape has at most \(limit) axes, 'rows' included, found \(count)"
    case .tooManyElements(let extents, let limit):
      "the fixed extents \(extents) hold more than \(limit) elements"
    case .notBroadcastable(let left, let right):
      "shapes \(left) and \(right) do not broadcast: aligned at the last axis, extents must be "
        + "equal or 1"
    case .windowOutsideRow(let window, let rowExtent):
      "the window '\(window)' selects no element or more than the row's \(rowExtent)"
    case .columnsOutsideRow(let start, let count, let shape):
      "the columns from \(start) on, \(count) of them, do not lie in the last axis of shape \(shape)"
    case .notConcatenable(let shapes):
      "values to concatenate must have the same fixed axes but the last, of which each has one, and "
        + "at least one must begin with 'rows'; found "
        + (shapes.isEmpty ? "none" : shapes.map(\.description).joined(separator: " and "))
    case .noLeadingPart(let count, let extent, let shape):
      "the first \(count) of \(extent) elements need 1 to \(extent) of a value whose last axis has "
        + "\(extent) elements or 1, found shape \(shape)"
    case .noRowAxis(let shape):
      "a statistic needs a value with a row axis, found shape \(shape)"
    case .noWholeBlocks(let format, let byteCount, let shape):
      "\(format) blocks have \(byteCount) bytes, of which the last axis of a value without rows must be a "
        + "multiple; found shape \(shape)"
    case .rowNotInBlocks(let format, let elementCount, let shape):
      "\(format) blocks hold \(elementCount) elements, of which the last axis of a tensor without rows must "
        + "be a multiple; found shape \(shape)"
    case .rowNotInGroups(let group, let shape):
      group < 1
        ? "a scale is shared by at least 1 element, found a group of \(group)"
        : "a scale for every \(group) elements needs rows of one axis, of whose elements \(group) is a "
          + "divisor; found shape \(shape)"
    case .elementCountChanges(let from, let to):
      "reshaping \(from) to \(to) changes the number of elements"
    case .noRowsToSum(let shape, let kept):
      "a sum over rows needs a value whose shape is 'rows' and fixed axes, of which it keeps "
        + "\(kept), at least 1; found \(shape)"
    case .noOuterFactor(let shape):
      "an outer sum needs values of shape 'rows' and one fixed axis, found \(shape)"
    case .channelsNotInGroups(let groups, let shape):
      "\(groups) groups do not divide the channels, the first fixed axis of shape \(shape)"
    case .noMatrixRow(let shape):
      "a matmul needs a value whose shape is 'rows' and at least one fixed axis, found \(shape)"
    case .weightsOfOtherRank(let shape):
      "the weights of a matmul must have two fixed axes and no rows, found shape \(shape)"
    case .weightsDoNotFit(let shape, let layout, let rowExtent):
      switch layout {
      case .inOut:
        "weights of shape \(shape) (in, out) must have first extent \(rowExtent), the last of the "
          + "value they multiply; found \(shape.extents[0])"
      case .outIn:
        "weights of shape \(shape) (out, in) must have last extent \(rowExtent), as the value they "
          + "multiply; found \(shape.rowExtent)"
      }
    case .axisNotInGroups(let group, let shape):
      "integers to dequantize must have no rows and a last axis of whole groups"
        + (group.map { " of \($0)" } ?? "") + ", found shape \(shape)"
    case .factorsDoNotFit(let name, let found, let expected):
      "'\(name)' must have one number for each group, shape \(expected), found shape \(found)"
    case .scalesDoNotFit(let scales, let shape):
      if shape.extents.count != 1 {
        "a value with scales must have rows of one axis to be multiplied, found shape \(shape); reshape it "
          + "before"
      } else if !scales.hasRows {
        "the scales of a product's value must have its rows, found shape \(scales)"
      } else {
        "the scales of a product's value must be as many for a row as divide its \(shape.rowExtent) "
          + "elements, found shape \(scales)"
      }
    }
  }
}
