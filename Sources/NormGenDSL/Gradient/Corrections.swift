import NormGenIR

/// What a row c = a − mean(a) is corrected by: κ = mean(c), which is 0 in real numbers and no more
/// than the rounding of that mean in Float32.
///
/// To a gradient κ is a constant, c − κ the better of two values that are equal but for roundings,
/// and the mean of the squares less κ² nothing but the mean of the squares.
struct Corrections {
  struct Correction {
    /// κ.
    let mean: Tensor
    /// Whether it is a mean of all elements.
    let isOfWholeRow: Bool
    /// c − κ, if the graph has it.
    let corrected: Tensor?
  }

  /// By the node of c.
  private var corrections: [ObjectIdentifier: Correction] = [:]

  init(_ graph: Graph, _ forward: ForwardValues) {
    for id in graph.values {
      guard let centred = graph.correctedValue(of: id),
        case .statistic(let statistic) = graph[id].op
      else { continue }
      let extent = graph[centred].shape.rowExtent
      let difference = graph.values.first {
        graph[$0].op == .elementwise(.subtract) && graph[$0].operands == [centred, id]
      }
      corrections[ObjectIdentifier(forward[centred].node)] = Correction(
        mean: forward[id], isOfWholeRow: (try? statistic.window.count(in: extent)) == extent,
        corrected: difference.map { forward[$0] })
    }
  }

  /// c − κ for c, everything else as it is.
  func corrected(_ value: Tensor) -> Tensor {
    corrections[ObjectIdentifier(value.node)]?.corrected ?? value
  }

  /// c and κ where `value` is their difference.
  func parts(of value: Tensor) -> (centred: Tensor, correction: Correction)? {
    guard case .elementwise(.subtract) = value.node.op,
      let correction = corrections[ObjectIdentifier(value.node.operands[0])],
      correction.mean.node === value.node.operands[1]
    else { return nil }
    return (Tensor(node: value.node.operands[0], storage: nil), correction)
  }
}

extension Graph {
  /// The value c = a − mean(a) whose mean over the same elements a statistic is; nil for others.
  func correctedValue(of id: ValueID) -> ValueID? {
    guard case .statistic(let statistic) = self[id].op, statistic.reduction == .mean,
      self[id].operands.count == 1
    else { return nil }
    let centred = self[id].operands[0]
    let difference = self[centred]
    guard difference.op == .elementwise(.subtract),
      case .statistic(let inner) = self[difference.operands[1]].op, inner.reduction == .mean,
      isReduction(difference.operands[1], of: difference.operands[0]),
      let count = try? statistic.window.count(in: difference.shape.rowExtent),
      count == (try? inner.window.count(in: self[difference.operands[0]].shape.rowExtent))
    else { return nil }
    return centred
  }

  /// Whether a value is mean(c · c) − κ · κ with the correction κ of c, which only roundings make
  /// negative.
  func isCorrectedVariance(_ id: ValueID) -> Bool {
    let node = self[id]
    guard node.op == .elementwise(.multiplyAdd), let centred = correctedValue(of: node.operands[1]),
      self[node.operands[0]].op == .elementwise(.negate),
      self[node.operands[0]].operands == [node.operands[1]],
      case .statistic(let square) = self[node.operands[2]].op,
      case .statistic(let mean) = self[node.operands[1]].op
    else { return false }
    return square == mean && self[node.operands[2]].operands == [centred, centred]
  }

  /// Whether a statistic's terms are a value, which a product's are by its factors.
  private func isReduction(_ statistic: ValueID, of value: ValueID) -> Bool {
    let operands = self[statistic].operands
    if operands == [value] { return true }
    return self[value].op == .elementwise(.multiply) && operands == self[value].operands
  }
}
