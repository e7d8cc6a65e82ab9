import NormGen

/// Takes the steps of a random kernel with matmuls, columns, heads and sums over rows.
///
/// Rows may have any of several lengths, unlike those of a ``RandomGraph``: products and columns
/// lead from one to another.
struct RandomProducts {
  private var random: SeededGenerator
  /// Chooses block formats.
  private var formats: SeededGenerator
  /// How many more products and outer sums may be taken: they take the most time to compile.
  private var products: Int
  /// Whether sums over rows are stored.
  private let hasSums: Bool
  /// Values of shape `[rows, n]`; never empty.
  private var values: [Tensor] = []
  /// Values of shape `[rows, 1]`.
  private var scalars: [Tensor] = []
  /// Values over all rows.
  private var sums: [Tensor] = []
  private var count = 0

  /// The kernel of `seed`, named after it.
  ///
  /// - Parameters:
  ///   - steps: The number of steps that are taken.
  ///   - products: The most products and outer sums.
  static func kernel(seed: UInt64, steps: Int, products: Int) -> Kernel {
    var builder = RandomProducts(seed: seed, products: products)
    for _ in 0..<steps { builder.step() }
    return Kernel("random_\(seed)", outputs: builder.outputs())
  }

  private init(seed: UInt64, products: Int) {
    // Other choices than those of the row kernel of the same seed.
    random = SeededGenerator(seed: seed ^ 0x5bd1_e995_9e37_79b9)
    formats = SeededGenerator(seed: seed ^ 0x27d4_eb2f_1656_67c5)
    self.products = products
    hasSums = random.happens(0.35)
    values.append(rowInput(extent()))
  }

  /// Extents around the widths of vectors, tiles and slivers.
  private static let extents = [
    1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 97, 100, 127, 128,
    129,
  ]
  /// Extents around the blocks of a product's terms, and longer rows.
  private static let longExtents = [192, 255, 256, 257, 300, 511, 512, 513, 600, 1025]

  private mutating func extent() -> Int {
    random.choice(random.happens(0.9) ? Self.extents : Self.longExtents)
  }

  private mutating func type() -> DType { random.choice(DType.allCases) }

  /// One of the last values, or any.
  private mutating func value() -> Tensor {
    random.choice(random.happens(0.8) ? values.suffix(3) : values)
  }

  private mutating func name(_ prefix: String) -> String {
    count += 1
    return "\(prefix)\(count)"
  }

  private mutating func rowInput(_ extent: Int) -> Tensor {
    .input(name("x"), [.rows, .fixed(extent)], type())
  }

  private mutating func parameter(_ extent: Int) -> Tensor {
    .input(name("w"), [.fixed(random.happens(0.9) ? extent : 1)], type())
  }

  /// A value of the same shape: an earlier one, or an input.
  private mutating func partner(of x: Tensor) -> Tensor {
    let fitting = values.filter { $0.shape == x.shape }
    if fitting.isEmpty || random.happens(0.3) { return rowInput(x.shape.rowExtent) }
    return random.choice(fitting)
  }

  private mutating func window(in extent: Int) -> StatisticWindow {
    switch random.below(4) {
    case 0: .leading(count: 1 + random.below(extent))
    case 1: .leading(fraction: 0.0625 + 0.9 * random.uniform())
    default: .all
    }
  }

  private mutating func keep(_ tensor: Tensor) {
    let isNamed = random.happens(0.3)
    let chosen = random.happens(0.2) ? random.choice(RandomGraphBuilder.names) : name("v")
    values.append(isNamed ? tensor.named(chosen) : tensor)
  }

  // MARK: Steps

  private mutating func step() {
    if hasSums, random.happens(0.25) { return sum() }
    if random.happens(products > 0 ? 0.6 : 0.15) { return stepToOtherRows() }
    let x = value()
    let extent = x.shape.rowExtent
    switch random.below(10) {
    case 0: keep(random.unary(of: x))
    case 1:
      let other = partner(of: x)
      keep(random.binary(of: x, other))
    case 2:
      let other = parameter(extent)
      keep(random.binary(of: x, other))
    case 3: keep(normalized(x))
    case 4:
      let hidden = x + partner(of: x)
      keep(hidden)
      keep(normalized(hidden))
    case 5:
      scalars.append(statistic(x))
      let scalar = random.choice(scalars)
      keep(random.binary(of: x, scalar))
    case 6:
      let isSpread = !scalars.isEmpty && random.happens(0.4)
      let part = isSpread ? random.choice(scalars) : x
      keep(part.leadingPart(1 + random.below(extent), of: extent))
    case 7: keep(x.rounded(to: type()))
    case 8:
      let factor = partner(of: x)
      keep(x.multiplyAdd(factor, parameter(extent)))
    default: keep(headed(x))
    }
  }

  private mutating func stepToOtherRows() {
    let x = value()
    switch products > 0 ? random.below(7) : 4 + random.below(2) {
    case 0, 1: keep(product(x, extent()))
    case 2:
      let extent = extent()
      let gate = random.unary(of: product(x, extent))
      keep(gate * product(x, extent))
    case 3:
      let parts = 2 + random.below(3)
      let joint = product(x, parts * random.choice(Self.extents.filter { $0 <= 65 }))
      for part in joint.split(into: parts) { keep(part) }
    case 4:
      let extent = x.shape.rowExtent
      let start = random.below(extent)
      keep(x.columns(start..<start + 1 + random.below(extent - start)))
    case 5: keep(concatenation(x))
    default: keep(headed(product(x, random.choice([8, 12, 32, 48, 64, 96, 128, 192]))))
    }
  }

  private mutating func product(_ x: Tensor, _ extent: Int) -> Tensor {
    products -= 1
    let table = formats.happens(0.3) ? BlockFormat.grouped : BlockFormat.ggml
    let fitting = table.filter { x.shape.rowExtent % $0.elementCount == 0 }
    if !fitting.isEmpty, formats.happens(0.6) {
      let format = formats.choice(fitting)
      let weights = Tensor.input(
        name("u"), [.fixed(extent), .fixed(x.shape.rowExtent)], format)
      guard x.shape.extents.count == 1, formats.happens(0.5) else {
        return x.matmul(weights, layout: .outIn)
      }
      let groups = (1...8).map { $0 * format.subBlockElements }.filter {
        x.shape.rowExtent % $0 == 0
      }
      let rows = x.quantizedRows(
        scaling: formats.choice(RowQuantization.Scaling.allCases),
        group: formats.choice(groups + [x.shape.rowExtent]))
      return rows.matmul(weights, scaleType: formats.choice([.f32, .f16, .bf16]))
    }
    if x.shape.rowExtent % 4 == 0, formats.happens(0.15) { return integerProduct(x, extent) }
    let layout = random.choice(Matmul.WeightLayout.allCases)
    let isDot = random.happens(0.2)
    let type = isDot ? DType.bf16 : random.choice(DType.allCases.filter(\.holdsFractions))
    let (inputs, outputs) = (x.shape.rowExtent, extent)
    let (rows, columns) = layout == .inOut ? (inputs, outputs) : (outputs, inputs)
    var weights: Tensor
    // The oracle evaluates each of their operations, with every number of rows.
    if random.happens(0.35), rows * columns <= 8192 {
      weights = computedWeights(rows, columns)
      if isDot { weights = weights.rounded(to: .bf16) }
    } else {
      weights = .input(name("u"), [.fixed(rows), .fixed(columns)], type)
    }
    let product =
      isDot
      ? x.rounded(to: .bf16).matmul(weights, layout: layout, accumulate: .bf16Dot)
      : x.matmul(weights, layout: layout)
    return random.happens(0.4) ? product + parameter(extent) : product
  }

  /// A product of quantized rows with integers, times the scales of both.
  private mutating func integerProduct(_ x: Tensor, _ extent: Int) -> Tensor {
    let layout = formats.choice(Matmul.WeightLayout.allCases)
    let terms = Extent.fixed(x.shape.rowExtent)
    let weights = Tensor.input(
      name("u"), layout == .outIn ? [.fixed(extent), terms] : [terms, .fixed(extent)], .i8)
    let rows = x.quantizedRows(scaling: formats.choice(RowQuantization.Scaling.allCases))
    let sums = rows.values.matmul(weights, layout: layout, accumulate: .int8)
    return sums * rows.scale * parameter(extent)
  }

  /// Weights that are computed when they are packed.
  private mutating func computedWeights(_ rows: Int, _ columns: Int) -> Tensor {
    // Whole numbers are no weights by themselves.
    let fractions = random.choice(DType.allCases.filter(\.holdsFractions))
    func input(_ extents: [Int], _ type: DType? = nil) -> Tensor {
      .input(name("u"), extents.map { .fixed($0) }, type ?? self.type())
    }
    let w = input([rows, columns])
    let scale = input(random.choice([[columns], [rows, 1], [1, columns], [1]]))
    switch random.below(9) {
    case 0: return w * scale
    case 1:
      // Of two inputs that are used in several ways.
      let zero = input([rows, 1])
      return (w - zero) * scale + zero
    case 2: return input([rows, columns], fractions).weightNorm(gain: input([rows, 1]))
    case 3: return normalized(w) * scale
    case 4: return random.unary(of: w).rounded(to: fractions)
    case 5:
      return input([rows * columns], fractions).reshaped([.fixed(rows), .fixed(columns)])
    case 6:
      let start = random.below(5)
      let wide = input([rows, start + columns + random.below(3)], fractions)
      return wide.columns(start..<start + columns)
    case 7:
      let groups = [2, 3, 4, 5, 8].filter { columns % $0 == 0 }
      guard let count = groups.isEmpty ? nil : random.choice(groups) else { return w + scale }
      let seen = w.reshaped([.fixed(rows), .fixed(count), .fixed(columns / count)])
      return (seen * input([rows, count, 1])).reshaped([.fixed(rows), .fixed(columns)])
    default: return random.binary(of: w, input([rows, columns])) * w.absolute().rowMaximum()
    }
  }

  /// Rows, a parameter or zeros beside a row.
  private mutating func concatenation(_ x: Tensor) -> Tensor {
    var parts = [x]
    for _ in 0...random.below(2) {
      switch random.below(4) {
      case 0: parts.append(parameter(random.choice(Self.extents)))
      case 1:
        let count = random.choice(Self.extents)
        parts.append(Tensor.constant(0).leadingPart(count, of: count))
      default: parts.append(value())
      }
    }
    if random.happens(0.3) { parts.reverse() }
    return .concatenate(parts)
  }

  private mutating func statistic(_ x: Tensor) -> Tensor {
    let window = window(in: x.shape.rowExtent)
    switch random.below(8) {
    case 6: return terms(x).sum(over: window)
    case 7: return terms(x).mean(over: window)
    case 0: return x.sum(over: window)
    case 1: return x.mean(over: window)
    case 2: return (x * x).mean(over: window)
    case 3: return (x * partner(of: x)).sum(over: window)
    case 4: return x.absolute().rowMaximum(over: window)
    default: return x.rowMinimum(over: window)
    }
  }

  /// Terms of a sum that are no values of their own.
  private mutating func terms(_ x: Tensor) -> Tensor {
    let (y, z) = (partner(of: x), partner(of: x))
    return random.terms(of: x, y, z)
  }

  private mutating func normalized(_ x: Tensor) -> Tensor {
    let extent = x.shape.rowExtent
    let gain = random.happens(0.7) ? parameter(extent) : nil
    let shift = random.happens(0.4) ? parameter(extent) : nil
    let epsilon: Float = random.choice([1e-6, 1e-5, 0.8765])
    let window = window(in: extent)
    switch random.below(6) {
    case 0, 1, 2:
      let semantics = random.choice(RMSNormSemantics.named.map(\.value))
      let parts = x.rmsNormalization(
        gain: gain, shift: shift, epsilon: epsilon, statistics: window, semantics: semantics)
      // One number a head is none a row.
      if x.shape.extents.count == 1 { scalars.append(parts.inverseDeviation) }
      return parts.output
    case 3:
      let semantics = random.choice(LayerNormSemantics.named.map(\.value))
      return x.layerNormalization(
        gain: gain, shift: shift, epsilon: epsilon, statistics: window, semantics: semantics
      ).output
    case 4:
      let quantized = x.quantizedRows()
      if x.shape.extents.count == 1 { scalars.append(quantized.scale) }
      return quantized.values
    default: return x.l2Norm(gain: gain, epsilon: epsilon, statistics: window)
    }
  }

  /// A step of the heads of a row whose extent has a divisor, or of the row.
  private mutating func headed(_ x: Tensor) -> Tensor {
    let extent = x.shape.rowExtent
    let divisors = [2, 3, 4, 5, 6, 8].filter { extent % $0 == 0 }
    guard !divisors.isEmpty else { return random.unary(of: x) }
    let heads = random.choice(divisors)
    let seen = x.reshaped([.rows, .fixed(heads), .fixed(extent / heads)])
    let result: Tensor
    switch random.below(3) {
    case 0: result = normalized(seen)
    case 1:
      let gain = Tensor.input(
        name("w"), [.fixed(heads), random.choice([1, .fixed(extent / heads)])], type())
      result = seen * gain
    default:
      let peak = seen.absolute().rowMaximum()
      result = seen / (peak + 0.5)
    }
    return result.reshaped([.rows, .fixed(extent)])
  }

  private mutating func sum() {
    let x = value()
    switch random.below(7) {
    case 5: sums.append(terms(x).sumOverRows())
    case 6: sums.append(terms(x).meanOverRows())
    case 0: sums.append(x.sumOverRows())
    case 1: sums.append(x.meanOverRows())
    case 2, 3: sums.append((x * partner(of: x)).sumOverRows())
    default:
      guard products > 0 else { return sums.append(x.sumOverRows()) }
      products -= 1
      sums.append(x.outerSum(with: value()))
    }
  }

  // MARK: Outputs

  /// The last value and up to four others, some rounded to a type of their own.
  private mutating func outputs() -> [Kernel.Output] {
    var chosen = [values[values.count - 1]]
    if random.happens(0.4) { chosen.append(random.choice(values)) }
    if random.happens(0.3), let scalar = scalars.last { chosen.append(scalar) }
    chosen += sums.suffix(2)
    return chosen.enumerated().map { index, tensor in
      let type = random.happens(0.6) ? type() : nil
      return Kernel.Output("y\(index)", tensor, as: type)
    }
  }
}
