import NormGen

/// How two tensors of one output differ, bit by bit; NaNs are equal whatever their payload.
public struct OutputDifference: Hashable, Sendable {
  /// An element and its two values.
  public struct Element: Hashable, Sendable {
    /// The row-major position in the output.
    public let position: Int
    /// The indices along the output's axes.
    public let indices: [Int]
    /// The values of the two tensors.
    public let values: [Double]
    /// The steps between them in the output's type; see `DType.steps(from:to:)`.
    public let ulps: Double

    /// |second − first|; infinite where one is NaN, 0 for zeros of two signs.
    public var distance: Double {
      if values[0] == values[1] { return 0 }
      let distance = abs(values[1] - values[0])
      return distance.isNaN ? .infinity : distance
    }
  }

  /// The output.
  public let output: String
  /// The elements of the output.
  public let count: Int
  /// The elements whose bits differ.
  public private(set) var differing = 0
  /// The first element that differs; nil if the bits are the same.
  public private(set) var first: Element?
  /// The element with the most steps between its values.
  public private(set) var worst: Element?
  /// The largest |second − first|.
  public private(set) var greatestDistance = 0.0

  /// Compares two tensors of one shape and type.
  init(output: String, _ first: HostTensor, _ second: HostTensor) {
    let axes = Shape(hasRows: false, extents: first.shape)
    precondition(
      first.shape == second.shape && first.storage == second.storage,
      "two tensors of '\(output)': \(first.storage)\(first.shape), \(second.storage)\(second.shape)"
    )
    self.output = output
    self.count = first.count
    for position in 0..<count {
      let (left, right) = (first[position], second[position])
      if left.bitPattern == right.bitPattern || (left.isNaN && right.isNaN) { continue }
      add(
        Element(
          position: position, indices: axes.indices(of: position), values: [left, right],
          ulps: first.storage.steps(from: left, to: right)))
    }
  }

  private mutating func add(_ element: Element) {
    differing += 1
    if first == nil { first = element }
    if worst.map({ element.ulps > $0.ulps }) ?? true { worst = element }
    greatestDistance = max(greatestDistance, element.distance)
  }
}
