import NormGenIR

/// The gradient of a value: a sum of terms under a shape.
///
/// The shape is the value's, or a wider one for a value without rows: what belongs to one row of it
/// is kept apart until the input is reached.
struct GradientSum {
  let shape: Shape
  var terms: [GradientTerm]

  /// The product with a value that broadcasts to the shape.
  ///
  /// Several terms become one value before they are multiplied by something of the row's length.
  ///
  /// - Parameters:
  ///   - bound: What is known of the value.
  ///   - vanishes: Whether it is a derivative that underflows where its function saturates.
  func times(
    _ factor: Tensor, _ bound: ForwardBound, vanishes: Bool = false
  ) -> GradientSum {
    let whole = factor.shape.rowExtent > 1 ? collapsed(before: bound) : self
    return GradientSum(
      shape: shape, terms: whole.terms.map { $0.times(factor, bound, vanishes: vanishes) })
  }

  func times(_ factor: Float) -> GradientSum {
    GradientSum(shape: shape, terms: terms.map { $0.times(factor) })
  }

  /// The same with at most one term.
  var collapsed: GradientSum {
    guard terms.count > 1, let total else { return self }
    return GradientSum(shape: shape, terms: [GradientTerm(total, masks: masks)])
  }

  /// At most one term before a product with a value; several where each is masked for itself and the
  /// value may be infinite.
  func collapsed(before bound: ForwardBound) -> GradientSum {
    let isMasked = masks.isEmpty && terms.allSatisfy { !$0.masks.isEmpty }
    return isMasked && !bound.isTame ? self : collapsed
  }

  /// The sums that a value divides: one, or one for each term that is masked for itself if the value may
  /// be 0.
  func parts(before bound: ForwardBound) -> [GradientSum] {
    let whole = collapsed(before: bound)
    return whole.terms.map { GradientSum(shape: shape, terms: [$0]) }
  }

  /// The masks of all terms.
  var masks: [GradientMask] {
    (terms.first?.masks ?? []).filter { mask in
      terms.dropFirst().allSatisfy { $0.masks.contains { $0.isSame(as: mask) } }
    }
  }

  /// The same with every term masked.
  func masked(by mask: GradientMask) -> GradientSum {
    var masked = self
    for index in terms.indices { masked.terms[index].masks.append(mask) }
    return masked
  }

  /// The sum over the last axis.
  func summedOverRow(_ corrections: Corrections) -> GradientSum {
    GradientSum(
      shape: shape.reducedOverRow,
      terms: terms.compactMap { $0.summed(extent: shape.rowExtent, corrections) })
  }

  /// The sum as one value, which may be narrower than the shape; nil without terms.
  var total: Tensor? { terms.isEmpty ? nil : Self.total(terms, extent: shape.rowExtent) }

  /// The sum with every element of the shape; nil without terms.
  ///
  /// - Parameter value: Names the value in the error.
  func spread(of value: @autoclosure () -> String) throws(GradientError) -> Tensor? {
    guard var total else { return nil }
    if total.node.error == nil, total.shape.rowExtent == 1, shape.rowExtent > 1 {
      total = total.leadingPart(shape.rowExtent, of: shape.rowExtent)
    }
    guard total.shape == shape || total.node.error != nil else {
      throw .repeatedAxes(value: value(), shape: total.shape, within: shape)
    }
    return total
  }

  /// Adds terms; those of the same factors become one.
  mutating func add(_ others: [GradientTerm]) {
    for other in others {
      guard let index = terms.firstIndex(where: { $0.hasFactors(of: other) }),
        let scale = GradientTerm.exactSum(terms[index].scale, other.scale)
      else {
        terms.append(other)
        continue
      }
      if scale == 0 { terms.remove(at: index) } else { terms[index].scale = scale }
    }
  }

  // MARK: Summation

  /// The terms added up, common factors taken out, with as few steps for each element as possible.
  private static func total(_ terms: [GradientTerm], extent: Int) -> Tensor {
    if let factor = GradientTerm.common(of: terms, among: \.rowFactors, isMost: true) {
      var inside: [GradientTerm] = []
      var outside: [GradientTerm] = []
      for var term in terms {
        guard term.rowFactors.contains(factor) else {
          outside.append(term)
          continue
        }
        term.rowFactors = term.rowFactors.removing(factor)
        inside.append(term)
      }
      let sum = total(inside, extent: extent)
      return outside.isEmpty
        ? sum * factor : sum.multiplyAdd(factor, total(outside, extent: extent))
    }
    let windows = terms.compactMap(\.window).reduce(into: [Int]()) { windows, window in
      if !windows.contains(window) { windows.append(window) }
    }
    let plain = terms.filter { $0.window == nil }
    var result = plain.isEmpty ? nil : plainTotal(plain)
    for window in windows {
      let isSubtracted = result != nil
      let group = terms.filter { $0.window == window }.map { term in
        var term = term
        term.window = nil
        if isSubtracted { term.scale = -term.scale }
        return term
      }
      let part = total(group, extent: extent).leadingPart(window, of: extent)
      // x − 0 is x, whatever its sign: elements behind the window keep their bits.
      result = result.map { $0 - part } ?? part
    }
    return result ?? .constant(0)
  }

  /// Terms without windows and without common numbers.
  private static func plainTotal(_ terms: [GradientTerm]) -> Tensor {
    if let factor = GradientTerm.common(of: terms, among: \.elements, isMost: false) {
      var inside: [GradientTerm] = []
      var outside: [GradientTerm] = []
      for var term in terms {
        guard term.elements.contains(factor) else {
          outside.append(term)
          continue
        }
        term.elements = term.elements.removing(factor)
        inside.append(term)
      }
      let product = (factor, plainTotal(inside))
      return outside.isEmpty
        ? product.0 * product.1 : product.0.multiplyAdd(product.1, plainTotal(outside))
    }
    let bare = terms.firstIndex {
      $0.elements.isEmpty == false && !$0.isNegative && $0.coefficient == nil
    }
    var sum = bare.flatMap { terms[$0].elementProduct }
    for (index, term) in terms.enumerated() where index != bare {
      guard let elements = term.elementProduct else { continue }
      sum = adding(elements, term, to: sum)
    }
    // One number a row is added up by itself first.
    let numbers = terms.filter { $0.elements.isEmpty }
    guard !numbers.isEmpty else { return sum ?? .constant(0) }
    let isSubtracted = sum != nil && numbers.allSatisfy(\.isNegative)
    var offset: Tensor?
    for var number in numbers {
      if isSubtracted { number.scale = -number.scale }
      let value = number.coefficient ?? .constant(1)
      if number.isNegative {
        offset = offset.map { $0 - value } ?? -value
      } else {
        offset = offset.map { $0 + value } ?? value
      }
    }
    guard let offset else { return sum ?? .constant(0) }
    return sum.map { isSubtracted ? $0 - offset : $0 + offset } ?? offset
  }

  private static func adding(
    _ elements: Tensor, _ term: GradientTerm, to sum: Tensor?
  ) -> Tensor {
    guard let coefficient = term.coefficient else {
      guard let sum else { return term.isNegative ? -elements : elements }
      return term.isNegative ? sum - elements : sum + elements
    }
    let factor = term.isNegative ? -coefficient : coefficient
    guard let sum else { return elements * factor }
    return elements.multiplyAdd(factor, sum)
  }
}
