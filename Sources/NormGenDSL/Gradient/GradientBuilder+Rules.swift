import NormGenIR

/// The derivative of each primitive.
extension GradientBuilder {
  /// Hands a value's gradient on to its operands.
  mutating func propagate(_ sum: GradientSum, from id: ValueID) throws(GradientError) {
    let operands = graph[id].operands
    switch graph[id].op {
    case .input, .constant: return
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
      try addSelected(sum, to: operands[0]) { gradient, forward in
        let x = forward[operands[0]]
        let below = Tensor.constant(0).select(ifGreaterThan: x, -gradient, else: .constant(0))
        return x.select(ifGreaterThan: .constant(0), gradient, else: below)
      }
    case .binade: return
    case .squareRoot:
      try add(sum.times(0.5).times(forward.reciprocal(of: id)), to: operands[0])
    // A variance is not negative.
    case .maximum where graph.isCorrectedVariance(operands[0]) && graph.constant(operands[1]) == 0:
      try add(sum, to: operands[0])
    case .maximum, .minimum:
      // Where the operands are equal the second one is the result, and it has the gradient.
      let (greater, lesser) =
        op == .maximum ? (operands[0], operands[1]) : (operands[1], operands[0])
      try addSelected(sum, to: operands[0]) { gradient, forward in
        forward[greater].select(ifGreaterThan: forward[lesser], gradient, else: .constant(0))
      }
      try addSelected(sum, to: operands[1]) { gradient, forward in
        forward[greater].select(ifGreaterThan: forward[lesser], .constant(0), else: gradient)
      }
    case .selectGreater:
      let (left, right) = (operands[0], operands[1])
      try addSelected(sum, to: operands[2]) { gradient, forward in
        forward[left].select(ifGreaterThan: forward[right], gradient, else: .constant(0))
      }
      try addSelected(sum, to: operands[3]) { gradient, forward in
        forward[left].select(ifGreaterThan: forward[right], .constant(0), else: gradient)
      }
    case .exp:
      try add(sum.times(value), to: operands[0])
    case .log:
      try add(sum.times(forward.reciprocal(of: operands[0])), to: operands[0])
    case .tanh:
      try add(sum.times((-value).multiplyAdd(value, .constant(1))), to: operands[0])
    case .erf:
      // 2/√π · e^(−x²)
      let x = forward[operands[0]]
      let slope = (-x * x).exp() * Float(2 / Double.pi.squareRoot())
      try add(sum.times(slope), to: operands[0])
    case .sigmoid:
      try add(sum.times(value * (1 - value)), to: operands[0])
    }
  }

  private mutating func propagateProduct(
    _ sum: GradientSum, _ left: ValueID, _ right: ValueID
  ) throws(GradientError) {
    let isLong = [left, right].contains { graph[$0].shape.rowExtent > 1 }
    let sum = isLong ? sum.collapsed : sum
    try add(sum.times(forward[right]), to: left)
    try add(sum.times(forward[left]), to: right)
  }

  /// The gradients of a / b: 1/b and −a/b².
  private mutating func propagateQuotient(
    _ sum: GradientSum, at id: ValueID, _ left: ValueID, _ right: ValueID
  ) throws(GradientError) {
    guard graph[right].shape.rowExtent == 1 else {
      guard let total = sum.total else { return }
      let quotient = total / forward[right]
      try add(GradientSum(shape: sum.shape, terms: [GradientTerm(quotient)]), to: left)
      let shared = GradientSum(shape: sum.shape, terms: [GradientTerm(quotient)])
      try add(shared.times(forward[id]).times(-1), to: right)
      return
    }
    // One number a row divides: it stays out of the sums over the row.
    let reciprocal = forward.reciprocal(of: right)
    let sum = graph[left].shape.rowExtent > 1 ? sum.collapsed : sum
    try add(sum.times(reciprocal), to: left)
    let numerator = sum.times(forward[left]).times(reciprocal).times(reciprocal)
    try add(numerator.times(-1), to: right)
  }

  /// Adds a gradient that is made of the whole sum.
  private mutating func addSelected(
    _ sum: GradientSum, to id: ValueID, _ selected: (Tensor, ForwardValues) -> Tensor
  ) throws(GradientError) {
    guard needs(id), let total = sum.total else { return }
    let part = GradientTerm(selected(total, forward))
    try add(GradientSum(shape: sum.shape, terms: [part]), to: id)
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
      let terms = (isLong ? sum.collapsed : sum).terms.map {
        $0.within(window).divided(by: divisor)
      }
      let each = GradientSum(shape: shape, terms: terms)
      guard operands.count == 2 else { return try add(each, to: operands[0]) }
      try add(each.times(corrections.corrected(forward[operands[1]])), to: operands[0])
      try add(each.times(corrections.corrected(forward[operands[0]])), to: operands[1])
    case .max, .min:
      // Equal extremes share the gradient evenly.
      guard let total = sum.total else { return }
      let x = forward[operands[0]]
      let (greater, lesser) =
        statistic.reduction == .max ? (forward[id], x) : (x, forward[id])
      let one = Tensor.constant(1)
      let isExtreme = greater.select(ifGreaterThan: lesser, .constant(0), else: one)
      let share = total / isExtreme.sum(over: statistic.window)
      let part = greater.select(ifGreaterThan: lesser, .constant(0), else: share)
      try add(
        GradientSum(shape: shape, terms: [GradientTerm(part).within(window)]), to: operands[0])
    }
  }

  // MARK: Shapes and products

  private mutating func propagateReshape(
    _ sum: GradientSum, at id: ValueID, _ operand: ValueID
  ) throws(GradientError) {
    let label = forward.label(of: id)
    let own = graph[id].shape
    let target: Shape
    if own.hasRows {
      target = graph[operand].shape
    } else {
      // What a value without rows is repeated along stands in front of its own axes.
      let core = own.core
      guard sum.shape.extents.suffix(core.count).elementsEqual(core) else {
        throw .repeatedAxes(value: label, shape: own, within: sum.shape)
      }
      let extents = sum.shape.extents.dropLast(core.count) + graph[operand].shape.core
      target = Shape(hasRows: sum.shape.hasRows, extents: extents.isEmpty ? [1] : Array(extents))
    }
    guard target != sum.shape else { return try add(sum, to: operand) }
    guard let whole = try sum.spread(of: label) else { return }
    try add(
      GradientSum(shape: target, terms: [GradientTerm(whole.reshaped(to: target))]), to: operand)
  }

  /// Each part has the gradient of its columns.
  private mutating func propagateConcatenation(
    _ sum: GradientSum, at id: ValueID, _ operands: [ValueID]
  ) throws(GradientError) {
    guard let whole = try sum.spread(of: forward.label(of: id)) else { return }
    var start = 0
    for operand in operands {
      let count = graph[operand].shape.rowExtent
      let part = whole.columns(start..<start + count)
      try add(GradientSum(shape: part.shape, terms: [GradientTerm(part)]), to: operand)
      start += count
    }
  }

  /// ∂x = ∂y · Wᵀ and ∂W = xᵀ · ∂y (equation 9 of the paper), accumulated by fused multiply-adds
  /// also where the forward product is a bf16 dot product.
  private mutating func propagate(
    _ sum: GradientSum, through matmul: Matmul, at id: ValueID, _ operands: [ValueID]
  ) throws(GradientError) {
    let (x, weights) = (operands[0], operands[1])
    guard let whole = try sum.spread(of: forward.label(of: id)) else { return }
    if needs(x) {
      let product: Tensor
      switch matmul.layout {
      case .inOut: product = whole.matmul(forward[weights], layout: .outIn)
      case .outIn: product = whole.matmul(forward[weights], layout: .inOut)
      }
      try add(GradientSum(shape: graph[x].shape, terms: [GradientTerm(product)]), to: x)
    }
    guard needs(weights) else { return }
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
