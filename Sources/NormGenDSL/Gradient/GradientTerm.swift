import NormGenIR

/// One summand of a gradient: scale · Π rowFactors · Π elements / Π divisors, +0 behind the window.
///
/// What is one number a row stays apart from what varies along it, so that it can be taken out of
/// sums: Σ qᵢ · r · xᵢ becomes r · Σ qᵢ · xᵢ, which needs no r.
struct GradientTerm {
  /// A number that Float32 holds.
  var scale: Float = 1
  /// Numbers of elements that means divide by.
  var divisors: [Int] = []
  /// One number a row each.
  var rowFactors: [Factor] = []
  /// Values with an element for every position of a row.
  var elements: [Factor] = []
  /// Where the summand is 0 whatever it is multiplied by.
  var masks: [GradientMask] = []
  /// The leading elements outside of which the summand is +0; nil for the whole row.
  var window: Int?

  /// A value that a summand is a product of.
  struct Factor {
    let tensor: Tensor
    /// The ``ForwardBound/growth`` of what it adds to a product that is not masked.
    let growth: Int?
    /// Whether it is 0 where the other factors may be infinite: masked, or a derivative that underflows
    /// where its function saturates.
    let vanishes: Bool
  }

  /// A summand that is one value, which is 0 where one of the masks says so.
  init(_ tensor: Tensor, masks: [GradientMask] = []) {
    self = GradientTerm().times(tensor, .slope, vanishes: !masks.isEmpty)
    self.masks = masks
  }

  private init() {}

  /// The product with a value of which `bound` is known.
  ///
  /// - Parameter vanishes: Whether it is a derivative that underflows where its function saturates.
  func times(
    _ factor: Tensor, _ bound: ForwardBound, vanishes: Bool = false
  ) -> GradientTerm {
    var term = self
    let factor = bound.isTame ? factor : masked(factor, otherwise: 0)
    if let constant = factor.node.constant, let product = exact(scale, constant) {
      term.scale = product
    } else {
      let growth = bound.isTame ? bound.growth : masks.isEmpty ? nil : 0
      let made = Factor(tensor: factor, growth: growth, vanishes: vanishes)
      if factor.shape.rowExtent > 1 {
        term.elements.append(made)
      } else {
        term.rowFactors.append(made)
      }
    }
    return term
  }

  /// The product with a number.
  func times(_ factor: Float) -> GradientTerm { times(.constant(factor), .slope) }

  /// A factor or divisor that may be infinite or 0, replaced where the summand is 0 anyway.
  ///
  /// One number a row stays as it is if it is used for some elements of the row.
  func masked(_ factor: Tensor, otherwise: Float) -> Tensor {
    masks.filter { $0.isOneNumber || factor.shape.rowExtent > 1 }
      .reduce(factor) { $1.applied(to: $0, otherwise: otherwise) }
  }

  /// The summand divided by a number of elements.
  func divided(by count: Int) -> GradientTerm {
    var term = self
    let quotient = scale / Float(count)
    if Double(quotient) * Double(count) == Double(scale), abs(scale) > 1 {
      term.scale = quotient
      return term
    }
    if count > 1 { term.divisors.append(count) }
    return term
  }

  /// The summand within the first `count` elements only; nil leaves it as it is.
  func within(_ count: Int?) -> GradientTerm {
    guard let count else { return self }
    var term = self
    term.window = min(window ?? count, count)
    return term
  }

  /// Whether two values are the same; constants are by their number.
  static func same(_ left: Tensor, _ right: Tensor) -> Bool { left.isIdentical(to: right) }

  /// The product if Float32 holds it.
  private func exact(_ left: Float, _ right: Float) -> Float? {
    let product = Double(left) * Double(right)
    let rounded = Float(product)
    return Double(rounded) == product && rounded.isNormal ? rounded : nil
  }

  /// The sum if Float32 holds it.
  static func exactSum(_ left: Float, _ right: Float) -> Float? {
    let sum = Double(left) + Double(right)
    return Double(Float(sum)) == sum ? Float(sum) : nil
  }

  /// Whether two summands differ in their scale only.
  func hasFactors(of other: GradientTerm) -> Bool {
    divisors == other.divisors && window == other.window
      && rowFactors.elementsEqual(other.rowFactors) { Self.same($0.tensor, $1.tensor) }
      && elements.elementsEqual(other.elements) { Self.same($0.tensor, $1.tensor) }
  }

  /// A factor that at least two terms have among those of one kind, the first of those that most terms
  /// have if `isMost`, and that can be taken out of them.
  ///
  /// A factor that vanishes is not taken out of what may be infinite then.
  static func common(
    of terms: [GradientTerm], among kind: KeyPath<GradientTerm, [Factor]>, isMost: Bool
  ) -> Tensor? {
    var best: (factor: Tensor, count: Int)?
    for factor in terms.flatMap({ $0[keyPath: kind] }) where factor.tensor.node.constant == nil {
      let sharing = terms.filter { $0[keyPath: kind].contains(factor.tensor) }
      guard sharing.count > best?.count ?? 1 else { continue }
      let rests = sharing.map { $0[keyPath: kind].removing(factor.tensor) }
      guard !factor.vanishes || rests.allSatisfy(\.isTame) else { continue }
      best = (factor.tensor, sharing.count)
      if !isMost { break }
    }
    return best?.factor
  }

  // MARK: Values

  /// The product of the elements; nil if there are none.
  var elementProduct: Tensor? {
    elements.dropFirst().reduce(elements.first?.tensor) { product, factor in
      product.map { $0 * factor.tensor }
    }
  }

  /// Whether the summand is subtracted.
  var isNegative: Bool { scale < 0 }

  /// The product of all that is one number a row, without the sign; nil if it is 1.
  ///
  /// A sum that is divided by the number of its terms is a mean.
  var coefficient: Tensor? {
    var factors = rowFactors.map(\.tensor)
    var rest: [Int] = []
    for divisor in divisors {
      let sum = factors.firstIndex { $0.node.sumCount == divisor }
      if let sum { factors[sum] = factors[sum].asMean } else { rest.append(divisor) }
    }
    var product = factors.dropFirst().reduce(factors.first) { product, factor in
      product.map { $0 * factor }
    }
    if abs(scale) != 1 { product = product.map { $0 * abs(scale) } ?? .constant(abs(scale)) }
    for divisor in rest { product = (product ?? .constant(1)) / Float(divisor) }
    return product
  }

  /// Σ over a row of `extent` elements: one number a row; nil if it is known to be 0.
  func summed(extent: Int, _ corrections: Corrections) -> GradientTerm? {
    var term = self
    let count = window ?? extent
    let over: StatisticWindow = count == extent ? .all : .leading(count: count)
    term.window = nil
    term.elements = []
    term.masks = masks.filter(\.isOneNumber)
    guard let last = elements.last?.tensor else {
      return term.times(Float(count))
    }
    if elements.count == 1, last.node.isCentred(count: count) { return nil }
    if let (mean, count) = correctedMean(over: over, corrections) {
      term.rowFactors.insert(Factor(tensor: mean, growth: 0, vanishes: !term.masks.isEmpty), at: 0)
      return count.map { term.times(Float($0)) } ?? term
    }
    var rest = self
    rest.elements.removeLast()
    let sum = rest.elementProduct.map { ($0 * last).sum(over: over) } ?? last.sum(over: over)
    term.rowFactors.insert(Factor(tensor: sum, growth: 0, vanishes: !term.masks.isEmpty), at: 0)
    return term
  }

  /// Σ q · (c − κ) as Σ q · c − κ · Σ q, which needs no pass after that of κ; nil if no element is
  /// such a difference.
  ///
  /// - Returns: The sum, or a mean and the number of its elements where κ is one of as many: the
  ///   gradient has the mean of q anyway.
  private func correctedMean(
    over window: StatisticWindow, _ corrections: Corrections
  ) -> (value: Tensor, count: Int?)? {
    guard elements.count > 1,
      let index = elements.lastIndex(where: { corrections.parts(of: $0.tensor) != nil }),
      let (centred, correction) = corrections.parts(of: elements[index].tensor)
    else { return nil }
    var rest = self
    rest.elements.remove(at: index)
    guard let q = rest.elementProduct else { return nil }
    let product = q * centred
    guard window == .all, correction.isOfWholeRow else {
      let sum = q.sum(over: window)
      return ((-correction.mean).multiplyAdd(sum, product.sum(over: window)), nil)
    }
    return (
      (-correction.mean).multiplyAdd(q.mean(), product.mean()), centred.shape.rowExtent
    )
  }
}

extension [GradientTerm.Factor] {
  func contains(_ factor: Tensor) -> Bool { contains { GradientTerm.same($0.tensor, factor) } }

  /// The factors without one of them, once.
  func removing(_ factor: Tensor) -> [GradientTerm.Factor] {
    var rest = self
    if let index = firstIndex(where: { GradientTerm.same($0.tensor, factor) }) {
      rest.remove(at: index)
    }
    return rest
  }

  /// Whether the product is of ordinary size where the inputs are.
  var isTame: Bool {
    let growth = reduce(0 as Int?) { sum, factor in
      sum.flatMap { s in factor.growth.map { s + $0 } }
    }
    return growth.map { $0 <= 1 } ?? false
  }
}

extension TensorNode {
  /// The number that a constant holds.
  var constant: Float? {
    guard case .constant(let bits) = op else { return nil }
    return Float(bitPattern: bits)
  }

  /// The shape of a statistic's terms.
  private var termShape: Shape? {
    operands.dropFirst().reduce(operands.first?.shape) { shape, operand in
      shape.flatMap { try? $0.broadcast(with: operand.shape) }
    }
  }

  /// The number of terms of a sum over the row.
  fileprivate var sumCount: Int? {
    guard case .statistic(let statistic) = op, statistic.reduction == .sum, let termShape else {
      return nil
    }
    return try? statistic.window.count(in: termShape.rowExtent)
  }

  /// Whether a statistic's terms are a value, which a product's are by its factors.
  private func isOver(_ term: TensorNode) -> Bool {
    if operands.count == 1 { return operands[0] === term }
    return term.op == .elementwise(.multiply) && operands.elementsEqual(term.operands, by: ===)
  }

  /// Whether the value is x − mean(x) with the mean over the first `count` elements, so that they
  /// add up to 0.
  fileprivate func isCentred(count: Int) -> Bool {
    guard case .elementwise(.subtract) = op, operands.count == 2 else { return false }
    let mean = operands[1].saved ?? operands[1]
    guard case .statistic(let statistic) = mean.op, statistic.reduction == .mean,
      mean.isOver(operands[0])
    else { return false }
    return (try? statistic.window.count(in: operands[0].shape.rowExtent)) == count
  }
}

extension Tensor {
  /// The mean of what a sum adds up.
  fileprivate var asMean: Tensor {
    guard case .statistic(let statistic) = node.op else { return self }
    return Tensor.make(
      .statistic(Statistic(.mean, over: statistic.window)),
      node.operands.map { Tensor(node: $0, storage: nil) }, storage: nil, location: node.location)
  }
}
