public import NormGenIR

/// A value over all rows: Float32 sums of a block of rows, added block after block and stored in the
/// end.
public struct Total: Hashable, Sendable {
  /// The name, unique among the kernel's panels, totals and parameters.
  public let name: String
  /// The elements.
  public let count: Int
  /// What is stored of the sums.
  public let aggregate: RowSum.Aggregate
  /// The terms of one row in each element.
  public let termsPerRow: Int
  /// The parameters that it is stored in.
  public let outputs: [String]
  /// Whether the sums are accumulated in the only output's own memory.
  public let isDirect: Bool

  /// Creates a total.
  public init(
    name: String, count: Int, aggregate: RowSum.Aggregate, termsPerRow: Int, outputs: [String],
    isDirect: Bool
  ) {
    self.name = name
    self.count = count
    self.aggregate = aggregate
    self.termsPerRow = termsPerRow
    self.outputs = outputs
    self.isDirect = isDirect
  }

  /// Elements from one total to the next in memory: whole cache lines.
  public var stride: Int { (count + 15) / 16 * 16 }

  var summary: String {
    let place = isDirect ? "in \(outputs.first ?? "") itself" : "\(stride * 4) bytes"
    return "sums \(name): \(count) f32, \(place)"
  }
}

/// Sums over the rows of panels, in the canonical order of ``RowSumOrder``.
public struct RowSummation: Hashable, Sendable {
  /// What is summed.
  public enum Terms: Hashable, Sendable {
    /// The elements of one panel's rows, or their products with those of another; each row has
    /// `repeats` times as many as the total.
    case columns(x: String, y: String?, repeats: Int)
    /// The products of each of the `rows` elements of x with each of the `columns` elements of y.
    case outer(x: String, y: String, rows: Int, columns: Int)
  }

  /// What is summed.
  public let terms: Terms
  /// The total that receives the sums.
  public let total: String

  /// Creates a summation.
  public init(_ terms: Terms, total: String) {
    self.terms = terms
    self.total = total
  }

  var summary: String {
    switch terms {
    case .columns(let x, let y, _): "\(total) += rows of \(x)\(y.map { " · \($0)" } ?? "")"
    case .outer(let x, let y, let rows, let columns):
      "\(total) += \(x)ᵀ × \(y) (\(rows) × \(columns))"
    }
  }
}

extension LoopProgram {
  /// Elements of the totals of one block of rows that lie in scratch memory.
  public var totalStride: Int { totals.filter { !$0.isDirect }.map(\.stride).reduce(0, +) }
}
