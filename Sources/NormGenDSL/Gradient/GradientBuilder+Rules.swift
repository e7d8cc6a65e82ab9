import NormGenIR

/// The derivative of each primitive.
///
/// Where it isn't defined:
/// - √x at 0: 0, as of |x|, whose square's root it is. So a row of zeros has the gradient that epsilon
///   gives it. Where the kernel itself divides by the root, 1/√x is infinite as its value is.
/// - max, min, |x| at a tie, and the extreme of a row: see ``Kernel/gradient(withRespectTo:saving:as:includingOutputs:)``.
///   Comparisons with NaN are false: the gradient is the second operand's, `select`'s last one's, and 0
///   for |x|.
/// - a/b at b = 0, log x at 0: infinite as the value is; log x below 0: 1/x.
/// - `binade`: 0.
///
/// A gradient that is 0 because it is not handed on, or because a function has saturated, stays 0
/// whatever the derivatives behind it are (``GradientMask``).
extension GradientBuilder {
  /// Hands a value's gradient on to its operands.
  mutating func propagate(_ sum: GradientSum, from id: ValueID) throws(GradientError) {
    if let application = applications[id] { return try propagate(sum, through: application) }
    let operands = graph[id].operands
    switch graph[id].op {
    // Integers have none.
    case .input, .constant, .dequantize: return
    case .elementwise(let op): try propagate(sum, through: op, at: id, operands)
    case .statistic(let statistic):
      try propagate(sum, through: statistic, at: id, operands)
    // Straight through: the rounding's derivative, which is 0 almost everywhere, is of no use.
    case .convert: try add(sum, to: operands[0])
    case .reshape: try propagateReshape(sum, at: id, operands[0])
    case .columns(let start, _): try add(sum, toColumnsFrom: start, of: operands[0])
    case .concatenate: try propagateConcatenation(sum, at: id, operands)
    case .leadingPart(let count, let extent):
      let window = count == extent ? nil : count
      try add(
        GradientSum(shape: sum.shape, terms: sum.terms.map { $0.within(window) }), to: operands[0])
    case .matmul(let matmul): try propagate(sum, through: matmul, at: id, operands)
    case .rowSum, .outerSum: throw .overRows(value: forward.label(of: id))
    }
  }

  // MARK: Elementwise

  private mutating func propagate(
    _ sum: GradientSum, through op: ElementwiseOp, at id: ValueID, _ operands: [ValueID]
  ) throws(GradientError) {
    let value = forward[id]
    switch op {
    case .add:
      for operand in operands { try add(sum, to: operand) }
    case .subtract:
      try add(sum, to: operands[0])
      try add(sum.times(-1), to: operands[1])
    case .negate:
      try add(sum.times(-1), to: operands[0])
    case .multiply:
      try propagateProduct(sum, operands[0], operands[1])
    case .multiplyAdd:
      try propagateProduct(sum, operands[0], operands[1])
      try add(sum, to: operands[2])
    case .divide:
      try propagateQuotient(sum, at: id, operands[0], operands[1])
    case .absolute:
      // 0 at 0.
      let x = forward[operands[0]]
      try addWhole(sum, to: operands[0]) { gradient in
        let below = Tensor.constant(0).select(ifGreaterThan: x, -gradient, else: .constant(0))
        return x.select(ifGreaterThan: .constant(0), gradient, else: below)
      }
    case .binade: return
    case .squareRoot:
      let (slope, bound) = reciprocalRoot(at: id)
      try add(sum.times(0.5).times(slope, bound), to: operands[0])
    // A variance is not negative.
    case .maximum where graph.isCorrectedVariance(operands[0]) && graph.constant(operands[1]) == 0:
      try add(sum, to: operands[0])
    case .maximum, .minimum:
      // Where the operands are equal the second one is the result, and it has the gradient.
      let (greater, lesser) =
        op == .maximum ? (operands[0], operands[1]) : (operands[1], operands[0])
      let (left, right) = (forward[greater], forward[lesser])
      try addMasked(sum, to: operands[0], .greater(left, than: right))
      try addMasked(sum, to: operands[1], .notGreater(left, than: right))
    case .selectGreater:
      let (left, right) = (forward[operands[0]], forward[operands[1]])
      try addMasked(sum, to: operands[2], .greater(left, than: right))
      try addMasked(sum, to: operands[3], .notGreater(left, than: right))
    case .exp:
      try addVanishing(sum, value, bounds[id], to: operands[0])
    case .log:
      let reciprocal = forward.reciprocal(of: operands[0])
      try add(sum.times(reciprocal, bounds[operands[0]].reciprocal), to: operands[0])
    case .tanh:
      try addVanishing(sum, forward[operands[0]].tanhSlope, .slope, to: operands[0])
    case .erf:
      try addVanishing(sum, forward[operands[0]].erfSlope, .slope, to: operands[0])
    case .sigmoid:
      try addVanishing(sum, forward[operands[0]].logisticSlope, .slope, to: operands[0])
    }
  }

  /// 1/√x for the value √x: the kernel's own if it has one, else 0 at 0.
  private mutating func reciprocalRoot(at id: ValueID) -> (Tensor, ForwardBound) {
    let reciprocal = forward.reciprocal(of: id)
    if bounds[id].hasReciprocal || forward.hasReciprocal(of: id) {
      return (reciprocal, bounds[id].reciprocal)
    }
    // The root of the least number is large enough for its reciprocal; NaN stays NaN.
    let root = forward[id]
    let slope = root.select(ifGreaterThan: .constant(0), reciprocal, else: root)
    return (slope, ForwardBound(growth: bounds[id].growth.map { _ in 0 }, least: 0))
  }

  /// Adds a gradient times a derivative that underflows where its function saturates: there the operand
  /// may be so large that what it is made of has infinite derivatives.
  private mutating func addVanishing(
    _ sum: GradientSum, _ slope: Tensor, _ bound: ForwardBound, to id: ValueID
  ) throws(GradientError) {
    guard needs(id) else { return }
    let product = sum.times(slope, bound, vanishes: true)
    try add(bounds[id].isTame ? product : product.masked(by: .nonzero(slope)), to: id)
  }

  /// Adds a gradient through an activation that has a derivative of its own.
  private mutating func propagate(
    _ sum: GradientSum, through application: ActivationPattern.Application
  ) throws(GradientError) {
    let operand = application.operand
    guard needs(operand) else { return }
    let slope = application.slope(forward[operand])
    let product = sum.times(slope, .slope, vanishes: true)
    guard !bounds[operand].isTame else { return try add(product, to: operand) }
    try add(product.masked(by: .nonzero(slope.absolute())), to: operand)
  }

  private mutating func propagateProduct(
    _ sum: GradientSum, _ left: ValueID, _ right: ValueID
  ) throws(GradientError) {
    let isLong = [left, right].contains { graph[$0].shape.rowExtent > 1 }
    for (operand, factor) in [(left, right), (right, left)] {
      let whole = isLong ? sum.collapsed(before: bounds[factor]) : sum
      try add(whole.times(forward[factor], bounds[factor]), to: operand)
    }
  }

  /// The gradients of a / b: 1/b and −a/b².
  private mutating func propagateQuotient(
    _ sum: GradientSum, at id: ValueID, _ left: ValueID, _ right: ValueID
  ) throws(GradientError) {
    let bound = bounds[right].reciprocal
    guard graph[right].shape.rowExtent == 1 else {
      for part in sum.parts(before: bound) {
        guard let total = part.total else { continue }
        let term = GradientTerm(total, masks: part.masks)
        let divisor = forward[right]
        let quotient =
          total / (bound.isTame ? divisor : term.masked(divisor, otherwise: 1))
        let shared = GradientSum(
          shape: sum.shape, terms: [GradientTerm(quotient, masks: part.masks)])
        try add(shared, to: left)
        let numerator = shared.times(forward[id], bounds[id], vanishes: true).times(-1)
        // Where b is infinite the quotient is 0, and so is its derivative whatever b is made of.
        try add(
          bounds[right].isTame
            ? numerator : numerator.masked(by: .nonzero(forward[id].absolute())), to: right)
      }
      return
    }
    // One number a row divides: it stays out of the sums over the row.
    let reciprocal = forward.reciprocal(of: right)
    let whole = graph[left].shape.rowExtent > 1 ? sum.collapsed(before: bound) : sum
    try add(whole.times(reciprocal, bound), to: left)
    let numerator = whole.times(forward[left], bounds[left])
    try add(numerator.times(reciprocal, bound).times(reciprocal, bound).times(-1), to: right)
  }

  /// Adds the part of a gradient that a mask keeps.
  private mutating func addMasked(
    _ sum: GradientSum, to id: ValueID, _ mask: GradientMask
  ) throws(GradientError) {
    guard needs(id), let total = sum.total else { return }
    let part = GradientTerm(mask.applied(to: total), masks: sum.masks + [mask])
    try add(GradientSum(shape: sum.shape, terms: [part]), to: id)
  }

  /// Adds a gradient that is made of the whole sum.
  private mutating func addWhole(
    _ sum: GradientSum, to id: ValueID, _ part: (Tensor) -> Tensor
  ) throws(GradientError) {
    guard needs(id), let total = sum.total else { return }
    let term = GradientTerm(part(total), masks: sum.masks)
    try add(GradientSum(shape: sum.shape, terms: [term]), to: id)
  }

  // MARK: Statistics

  private mutating func propagate(
    _ sum: GradientSum, through statistic: Statistic, at id: ValueID, _ operands: [ValueID]
  ) throws(GradientError) {
    let extent = operands.map { graph[$0].shape.rowExtent }.max() ?? 1
    let count = (try? statistic.window.count(in: extent)) ?? extent
    let window = count == extent ? nil : count
    let shape = Shape(hasRows: sum.shape.hasRows, extents: sum.shape.outerExtents + [extent])
    switch statistic.reduction {
    case .sum, .mean:
      let divisor = statistic.reduction == .mean ? count : 1
      let isLong = operands.count == 2 && extent > 1
      func each(_ sum: GradientSum) -> GradientSum {
        GradientSum(
          shape: shape, terms: sum.terms.map { $0.within(window).divided(by: divisor) })
      }
      guard operands.count == 2 else { return try add(each(sum), to: operands[0]) }
      for (operand, factor) in zip(operands, operands.reversed()) {
        let whole = each(isLong ? sum.collapsed(before: bounds[factor]) : sum)
        let value = corrections.corrected(forward[factor])
        try add(whole.times(value, bounds[factor]), to: operand)
      }
    case .max, .min:
      // Equal extremes share the gradient evenly.
      guard let total = sum.total else { return }
      let x = forward[operands[0]]
      let (greater, lesser) =
        statistic.reduction == .max ? (forward[id], x) : (x, forward[id])
      let one = Tensor.constant(1)
      let isExtreme = greater.select(ifGreaterThan: lesser, .constant(0), else: one)
      let share = total / isExtreme.sum(over: statistic.window)
      let mask = GradientMask.notGreater(greater, than: lesser)
      let part = GradientTerm(mask.applied(to: share), masks: sum.masks + [mask])
      try add(GradientSum(shape: shape, terms: [part.within(window)]), to: operands[0])
    }
  }

  // MARK: Shapes and products

  private mutating func propagateReshape(
    _ sum: GradientSum, at id: ValueID, _ operand: ValueID
  ) throws(GradientError) {
    let own = graph[id].shape
    let target: Shape
    if own.hasRows {
      target = graph[operand].shape
    } else {
      // What a value without rows is repeated along stands in front of its own axes.
      let core = own.core
      guard sum.shape.extents.suffix(core.count).elementsEqual(core) else {
        throw .repeatedAxes(value: forward.label(of: id), shape: own, within: sum.shape)
      }
      let extents = sum.shape.extents.dropLast(core.count) + graph[operand].shape.core
      target = Shape(hasRows: sum.shape.hasRows, extents: extents.isEmpty ? [1] : Array(extents))
    }
    guard target != sum.shape else { return try add(sum, to: operand) }
    guard let whole = try sum.spread(of: forward.label(of: id)) else { return }
    let masks = sum.masks.compactMap { mask in
      mask.rearranged(from: sum.shape) { $0.reshaped(to: target) }
    }
    let term = GradientTerm(whole.reshaped(to: target), masks: masks)
    try add(GradientSum(shape: target, terms: [term]), to: operand)
  }

  /// Each part has the gradient of its columns.
  private mutating func propagateConcatenation(
    _ sum: GradientSum, at id: ValueID, _ operands: [ValueID]
  ) throws(GradientError) {
    guard let whole = try sum.spread(of: forward.label(of: id)) else { return }
    var start = 0
    for operand in operands {
      let count = graph[operand].shape.rowExtent
      let range = start..<start + count
      let part = whole.columns(range)
      let masks = sum.masks.compactMap { mask in
        mask.rearranged(from: sum.shape) { $0.columns(range) }
      }
      let term = GradientTerm(part, masks: masks)
      try add(GradientSum(shape: part.shape, terms: [term]), to: operand)
      start += count
    }
  }

  /// ∂x = ∂y · Wᵀ and ∂W = xᵀ · ∂y (equation 9 of the paper), accumulated by fused multiply-adds
  /// also where the forward product is a bf16 dot product.
  private mutating func propagate(
    _ sum: GradientSum, through matmul: Matmul, at id: ValueID, _ operands: [ValueID]
  ) throws(GradientError) {
    let (x, weights) = (operands[0], operands[1])
    if matmul.accumulation == .int8 { throw .integerProduct(forward.label(of: id)) }
    guard let whole = try sum.spread(of: forward.label(of: id)) else { return }
    if needs(x) {
      if case .dequantize = graph[weights].op {
        throw .blockWeights(forward.label(of: graph[weights].operands[0]))
      }
      let product: Tensor
      switch matmul.layout {
      case .inOut: product = whole.matmul(forward[weights], layout: .outIn)
      case .outIn: product = whole.matmul(forward[weights], layout: .inOut)
      }
      try add(GradientSum(shape: graph[x].shape, terms: [GradientTerm(product)]), to: x)
    }
    guard needs(weights) else { return }
    guard graph[weights].inputName != nil else {
      throw .computedWeights(forward.label(of: weights))
    }
    guard graph[x].shape.extents.count == 1 else {
      throw .matmulOfSeveralAxes(
        weights: graph[weights].inputName ?? "", shape: graph[x].shape)
    }
    switch matmul.layout {
    case .inOut: addWeights(forward[x].outerSum(with: whole), to: weights)
    case .outIn: addWeights(whole.outerSum(with: forward[x]), to: weights)
    }
  }
}
