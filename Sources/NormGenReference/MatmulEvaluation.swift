import NormGenIR
import NormGenTensors

/// Evaluates a matmul in the order of `MatmulOrder`, for a slice of columns at a time.
///
/// The arithmetic is that of ``Bounded``, written over separate values and bounds. An element that
/// is not finite, or may not be, is evaluated again step by step with ``Bounded`` itself.
struct MatmulEvaluation {
  private let matmul: Matmul
  private let terms: Int
  private let columns: Int
  /// The value's elements, row by row.
  private let x: [Bounded]
  private let weights: Weights

  /// The elements of a weight matrix.
  enum Weights {
    /// An input's.
    case stored(HostTensor)
    /// What an input's blocks hold.
    case decoded([Float])
    /// Computed ones with their bounds.
    case computed([Bounded])

    var count: Int {
      switch self {
      case .stored(let tensor): tensor.count
      case .decoded(let values): values.count
      case .computed(let values): values.count
      }
    }

    subscript(index: Int) -> Bounded {
      switch self {
      case .stored(let tensor): Bounded(tensor[index])
      case .decoded(let values): Bounded(Double(values[index]))
      case .computed(let values): values[index]
      }
    }
  }

  /// The weights of some columns, k by k.
  private struct WeightSlice {
    let count: Int
    let values: [Double]
    /// Their bounds; nil if all are exact.
    let errors: [Double]?

    init(_ weights: [Bounded], count: Int) {
      self.count = count
      values = weights.map(\.value)
      errors = weights.contains { $0.error != 0 } ? weights.map(\.error) : nil
    }

    subscript(k: Int, column: Int) -> Bounded {
      let index = k * count + column
      return Bounded(values[index], error: errors?[index] ?? 0)
    }
  }

  /// Columns evaluated side by side.
  private static let sliceColumns = 64

  /// The product of the rows of `x`, each of `terms` elements, with weights that fit them.
  ///
  /// - Parameter needed: The columns to evaluate, the others stay 0; nil for all.
  static func product(
    _ x: [Bounded], terms: Int, _ weights: Weights, _ matmul: Matmul, needed: [Int]?
  ) -> [Bounded] {
    let columns = terms > 0 ? weights.count / terms : 0
    let evaluation = MatmulEvaluation(
      matmul: matmul, terms: terms, columns: columns, x: x, weights: weights)
    return evaluation.product(needed ?? Array(0..<columns))
  }

  private func product(_ needed: [Int]) -> [Bounded] {
    let rows = x.count / terms
    var result = [Bounded](repeating: Bounded(0), count: rows * columns)
    for start in stride(from: 0, to: needed.count, by: Self.sliceColumns) {
      let chosen = needed[start..<min(start + Self.sliceColumns, needed.count)]
      let slice = weightSlice(chosen)
      let columnwise = exactColumns(slice)
      for row in 0..<rows {
        let elements = evaluate(row: row, slice, columnwise)
        for (column, element) in zip(chosen, elements) {
          result[row * columns + column] = element
        }
      }
    }
    return result
  }

  private func weightSlice(_ chosen: ArraySlice<Int>) -> WeightSlice {
    var slice: [Bounded] = []
    slice.reserveCapacity(terms * chosen.count)
    for k in 0..<terms {
      for column in chosen {
        switch matmul.layout {
        case .inOut: slice.append(weights[k * columns + column])
        case .outIn: slice.append(weights[column * terms + k])
        }
      }
    }
    return WeightSlice(slice, count: chosen.count)
  }

  /// The columns of a slice one by one, for dot products that are evaluated exactly.
  private func exactColumns(_ slice: WeightSlice) -> [[Float]] {
    if matmul.accumulation == .fused || slice.errors != nil { return [] }
    return (0..<slice.count).map { column in
      (0..<terms).map { Float(slice.values[$0 * slice.count + column]) }
    }
  }

  private func evaluate(
    row: Int, _ slice: WeightSlice, _ columnwise: [[Float]]
  ) -> [Bounded] {
    let row = x[(row * terms)..<((row + 1) * terms)]
    switch matmul.accumulation {
    case .fused:
      return bounded(row, slice, flushes: false)
    case .bf16Dot:
      guard slice.errors == nil, row.allSatisfy({ $0.error == 0 }) else {
        return bounded(row, slice, flushes: true)
      }
      return exact(row.map { Float($0.value) }, columnwise)
    case .int8: preconditionFailure("integers are summed by groups")
    }
  }

  private var blocks: [Range<Int>] {
    stride(from: 0, to: terms, by: MatmulOrder.block).map { start in
      start..<min(start + MatmulOrder.block, terms)
    }
  }

  // MARK: Exact operands of a bf16 dot product

  /// The hardware's results themselves.
  private func exact(_ row: [Float], _ columnwise: [[Float]]) -> [Bounded] {
    columnwise.map { column in
      var total: Float?
      for block in blocks {
        let sum = BF16Dot.block(row[block], column[block])
        total = total.map { $0 + sum } ?? sum
      }
      return Bounded(Double(total ?? 0))
    }
  }

  // MARK: Running error analysis

  private func bounded(
    _ row: ArraySlice<Bounded>, _ slice: WeightSlice, flushes: Bool
  ) -> [Bounded] {
    var total: [Bounded] = []
    for block in blocks {
      let chain = slice.errors == nil ? chain(row, slice, block, flushes: flushes) : nil
      let sums = (0..<slice.count).map { column in
        chain?.result(column) ?? stepwise(row, slice, column: column, block, flushes: flushes)
      }
      total = total.isEmpty ? sums : zip(total, sums).map { $0 + $1 }
    }
    return total
  }

  /// The sums of a block with exact weights.
  private func chain(
    _ row: ArraySlice<Bounded>, _ slice: WeightSlice, _ block: Range<Int>, flushes: Bool
  ) -> Chain {
    let count = slice.count
    var chain = Chain(count: count)
    for k in order(of: block, flushes: flushes) {
      let factor = row[row.startIndex + k]
      slice.values.withUnsafeBufferPointer { weights in
        let columns = UnsafeBufferPointer(rebasing: weights[(k * count)..<((k + 1) * count)])
        if flushes {
          chain.flushingMultiplyAdd(factor, columns)
        } else {
          chain.multiplyAdd(factor, columns)
        }
      }
    }
    return chain
  }

  /// The k of a block in the order in which they are accumulated.
  private func order(of block: Range<Int>, flushes: Bool) -> [Int] {
    guard flushes else { return Array(block) }
    // Of a pair, the second product goes first; blocks begin at even k.
    return stride(from: block.lowerBound, to: block.upperBound, by: 2).flatMap { k in
      k + 1 < block.upperBound ? [k + 1, k] : [k]
    }
  }

  private func stepwise(
    _ row: ArraySlice<Bounded>, _ slice: WeightSlice, column: Int, _ block: Range<Int>,
    flushes: Bool
  ) -> Bounded {
    var sum = Bounded(0)
    for k in order(of: block, flushes: flushes) {
      let factor = row[row.startIndex + k]
      let weight = slice[k, column]
      sum =
        flushes
        ? factor.flushed().multiplyAdd(weight.flushed(), sum).flushed()
        : factor.multiplyAdd(weight, sum)
    }
    return sum
  }
}

extension Bounded {
  /// The value with denormals flushed to zero, where the kernel may hold one.
  func flushed() -> Bounded {
    let leastNormal = Double(BF16Dot.leastNormal)
    guard value.isFinite, error.isFinite, abs(value) - error < leastNormal else { return self }
    if error == 0 { return Bounded(0) }
    return Bounded(value, error: (error + leastNormal) * (1 + 0x1p-50))
  }
}

/// Chains of fused multiply-adds side by side: the steps of ``Bounded/multiplyAdd(_:_:)`` for
/// finite operands and exact weights.
private struct Chain {
  private var values: [Double]
  private var errors: [Double]
  /// The largest magnitude that a column's sum may have had; NaN has been met where it is NaN.
  private var reaches: [Double]

  init(count: Int) {
    values = [Double](repeating: 0, count: count)
    errors = values
    reaches = values
  }

  /// A column's sum; nil if it has left the range in which the steps are valid.
  func result(_ column: Int) -> Bounded? {
    guard reaches[column] < Bounded.overflow else { return nil }
    return Bounded(values[column], error: errors[column])
  }

  mutating func multiplyAdd(_ factor: Bounded, _ weights: UnsafeBufferPointer<Double>) {
    step(factor.value, factor.error, weights) { _, _ in 0 }
  }

  /// A step of the bf16 dot product, which flushes denormals.
  mutating func flushingMultiplyAdd(_ factor: Bounded, _ weights: UnsafeBufferPointer<Double>) {
    let factor = factor.flushed()
    let leastNormal = Double(BF16Dot.leastNormal)
    // A denormal weight counts as zero, and every weight is exact.
    withUnsafeTemporaryAllocation(of: Double.self, capacity: weights.count) { flushed in
      for column in weights.indices {
        let weight = weights[column]
        flushed.initializeElement(at: column, to: abs(weight) < leastNormal ? 0 : weight)
      }
      step(factor.value, factor.error, UnsafeBufferPointer(flushed)) { sum, spread in
        // The least magnitude that is certain is compared; an exact zero loses nothing.
        let isCertain = abs(sum) - spread >= leastNormal || (sum == 0 && spread == 0)
        return isCertain ? 0 : leastNormal
      }
    }
  }

  /// One product for every column.
  ///
  /// - Parameter loss: What the step may lose beyond rounding, by the sum and the bound before it.
  @inline(__always)
  private mutating func step(
    _ factor: Double, _ error: Double, _ weights: UnsafeBufferPointer<Double>,
    _ loss: (_ sum: Double, _ spread: Double) -> Double
  ) {
    // A product of two floats is exact in Float64; of a real number and a float it is rounded.
    let productError = error == 0 ? 0 : 0x1p-52
    let slack = 1 + 0x1p-50
    values.withUnsafeMutableBufferPointer { values in
      errors.withUnsafeMutableBufferPointer { errors in
        reaches.withUnsafeMutableBufferPointer { reaches in
          for column in weights.indices {
            let product = factor * weights[column]
            let sum = product + values[column]
            let spread =
              (abs(weights[column]) * error + errors[column] + abs(product) * productError) * slack
            let evaluation = abs(sum) * 0x1p-51
            let reach = (abs(sum) + spread + evaluation) * slack
            // Half the distance of floats at that magnitude.
            let power = Double(bitPattern: reach.bitPattern & 0x7ff0_0000_0000_0000)
            let rounding = max(power, 0x1p-126) * 0x1p-24
            let lost = loss(sum, (spread + evaluation) * slack)
            let isExact = spread == 0 && Double(Float(sum)) == sum
            values[column] = sum
            errors[column] =
              isExact ? lost : (spread + evaluation + rounding + lost) * slack
            // A sum that is not finite stays so, and its last reach tells.
            reaches[column] = reach <= reaches[column] ? reaches[column] : reach
          }
        }
      }
    }
  }
}
