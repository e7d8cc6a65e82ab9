import NormGen

/// One of the paper's four variants, as the layers of a workload use it.
struct WorkloadNorm: Sendable {
  let variant: RecurrentNorm
  /// The share of a row that partial RMSNorm takes its statistic of.
  let fraction: Double
  let storage: DType

  /// Normalized summed inputs with gain and shift, equations 2 to 4; without a norm the shift alone.
  func callAsFunction(_ summed: Tensor, _ name: String) -> Tensor {
    joint([summed], [name])[0]
  }

  /// The same over several tensors of one extent as if they were one row: the gates of a cell are
  /// products with weights of their own, but one norm sees them all. The partial statistic lies
  /// in the first of them.
  func joint(_ parts: [Tensor], _ names: [String]) -> [Tensor] {
    zip(normed(parts), names).map { part, name in
      let size = Extent.fixed(part.shape.rowExtent)
      let shift = Tensor.input("b_\(name)", [size], storage)
      guard variant != .none else { return part + shift }
      return part * Tensor.input("g_\(name)", [size], storage) + shift
    }
  }

  /// Normalized values alone.
  func normed(_ parts: [Tensor]) -> [Tensor] {
    switch variant {
    case .none: return parts
    case .layerNorm:
      let mean = average(parts) { $0 }
      let centred = parts.map { $0 - mean }
      return scaled(centred, by: average(centred) { $0 * $0 })
    case .rmsNorm: return scaled(parts, by: average(parts) { $0 * $0 })
    case .partialRMSNorm:
      let extent = parts.map(\.shape.rowExtent).reduce(0, +)
      let count = Int((Double(extent) * fraction).rounded(.up))
      return scaled(parts, by: (parts[0] * parts[0]).mean(over: .leading(count: count)))
    }
  }

  /// The mean over all elements of tensors of one extent.
  private func average(_ parts: [Tensor], _ term: (Tensor) -> Tensor) -> Tensor {
    let means = parts.map { term($0).mean() }
    let sum = means.dropFirst().reduce(means[0]) { $0 + $1 }
    return parts.count == 1 ? sum : sum * (1 / Float(parts.count))
  }

  private func scaled(_ parts: [Tensor], by meanSquare: Tensor) -> [Tensor] {
    let inverse = 1 / (meanSquare + Self.epsilon).squareRoot()
    return parts.map { $0 * inverse }
  }

  static let epsilon: Float = 1e-5
}
