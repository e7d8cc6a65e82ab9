import NormGen

/// Takes the steps of a ``RandomGraph``.
struct RandomGraphBuilder {
  var random: SeededGenerator
  /// Fixed axes between `rows` and the row, such as heads: mostly none, or one.
  let outer: [Int]
  let extent: Int
  /// Values with an element for every position of a row; never empty.
  private var values: [Tensor] = []
  /// One number a row.
  private var scalars: [Tensor] = []
  private var count = 0
  /// Whether names are as long as they may be.
  private let hasLongNames: Bool

  /// Extents around the widths of vectors and of the canonical order.
  static let extents = [
    1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257,
    300, 384, 511, 513, 1000, 4095, 4096, 4097, 4160, 8193,
  ]

  /// Names that mean something in the emitted C, besides plain ones.
  static let names = [
    "vec", "vec_select", "load_f32", "row", "i", "p", "block", "stream", "hidden", "normed",
    "total",
    "x0_stride", "y0_stride", "sum_partials", "maximum",
  ]

  init(seed: UInt64, longestRow: Int) {
    random = SeededGenerator(seed: seed)
    if random.happens(0.03) {
      // Many axes, of few elements together.
      var axes: [Int] = []
      for _ in 0..<2 + random.below(12) {
        axes.append(axes.reduce(1, *) < 64 ? 1 + random.below(3) : 1)
      }
      outer = axes
    } else {
      outer = random.happens(0.25) ? [2 + random.below(4)] : []
    }
    let limit =
      outer.isEmpty ? longestRow : outer.count > 1 ? 9 : min(longestRow, 130)
    extent = random.choice(Self.extents.filter { $0 <= limit })
    hasLongNames = random.happens(0.03)
    values.append(rowInput())
  }

  private var view: [Extent] { [.rows] + (outer + [extent]).map { .fixed($0) } }
  private var flat: [Extent] { [.rows, .fixed((outer + [extent]).reduce(1, *))] }

  private mutating func type() -> DType { random.choice(DType.allCases) }
  private mutating func unary(_ x: Tensor) -> Tensor { random.unary(of: x) }
  private mutating func value() -> Tensor { random.choice(values.suffix(4)) }

  private mutating func name(_ prefix: String) -> String {
    count += 1
    return hasLongNames ? random.longName(count) : "\(prefix)\(count)"
  }

  /// An input of rows; with heads it may be declared flat.
  private mutating func rowInput() -> Tensor {
    let type = type()
    let name = name("x")
    guard !outer.isEmpty, random.happens(0.5) else { return .input(name, view, type) }
    return Tensor.input(name, flat, type).reshaped(view)
  }

  /// An input without rows that broadcasts to a row.
  private mutating func parameter() -> Tensor {
    var shapes: [[Extent]] = [[.fixed(extent)], [.fixed(extent)], [1]]
    if !outer.isEmpty {
      let heads = outer.map { Extent.fixed($0) }
      shapes += [
        heads + [.fixed(extent)], heads + [1], heads.map { _ in 1 } + [.fixed(extent)],
      ]
    }
    let shape = random.choice(shapes)
    return .input(name("w"), shape, type())
  }

  private mutating func scalarInput() -> Tensor {
    .input(name("s"), [.rows] + outer.map { .fixed($0) } + [1], type())
  }

  private mutating func window() -> StatisticWindow {
    switch random.below(4) {
    case 0: return .leading(count: 1 + random.below(extent))
    case 1: return .leading(fraction: 0.0625 + 0.9 * random.uniform())
    default: return .all
    }
  }

  // MARK: Steps

  mutating func step() {
    switch random.below(14) {
    case 0: keep(value() + rowInput())
    case 1, 2: keep(unary(value()))
    case 3, 4: keep(binary(value(), random.choice(values)))
    case 5: keep(binary(value(), parameter()))
    case 6: scalars.append(named(statistic()))
    case 7:
      scalars.append(named(statistic()))
      keep(binary(value(), random.choice(scalars)))
    case 8:
      let scalar = scalars.isEmpty || random.happens(0.3) ? scalarInput() : random.choice(scalars)
      scalars.append(named(unary(scalar)))
    case 9: keep(normalized())
    case 10: keep(value().rounded(to: type()))
    case 11: keep(value().multiplyAdd(random.choice(values), parameter()))
    case 12:
      keep(
        value().select(
          ifGreaterThan: random.happens(0.5) ? .constant(random.constant()) : value(),
          value(), else: value() * random.constant()))
    default: keep(reshapedThere())
    }
  }

  private mutating func keep(_ tensor: Tensor) { values.append(named(tensor)) }

  private mutating func named(_ tensor: Tensor) -> Tensor {
    guard random.happens(0.3) else { return tensor }
    return tensor.named(random.happens(0.2) ? random.choice(Self.names) : name("v"))
  }

  private mutating func binary(_ left: Tensor, _ right: Tensor) -> Tensor {
    random.binary(of: left, right)
  }

  private mutating func statistic() -> Tensor {
    let x = value()
    let window = window()
    switch random.below(9) {
    case 7: return random.terms(of: x, random.choice(values), parameter()).sum(over: window)
    case 8: return random.terms(of: x, parameter(), random.choice(values)).mean(over: window)
    case 0: return x.sum(over: window)
    case 1: return x.mean(over: window)
    case 2: return (x * x).mean(over: window)
    case 3: return (x * random.choice(values)).sum(over: window)
    case 4: return x.absolute().rowMaximum(over: window)
    case 5: return x.rowMinimum(over: window)
    default: return (x * parameter()).mean(over: window)
    }
  }

  private mutating func normalized() -> Tensor {
    let x = random.happens(0.3) ? binary(value(), random.choice(values)) : value()
    let gain = random.happens(0.7) ? parameter() : nil
    let shift = random.happens(0.4) ? parameter() : nil
    let epsilon: Float = random.choice([1e-6, 1e-5, 0.8765])
    let range: StatisticRange = random.happens(0.2) ? .scaled : .plain
    switch random.below(5) {
    case 0, 1:
      let semantics = random.choice(RMSNormSemantics.named.map(\.value))
      let parts = x.rmsNormalization(
        gain: gain, shift: shift, epsilon: epsilon, statistics: window(), range: range,
        semantics: semantics)
      scalars.append(parts.inverseDeviation)
      return parts.output
    case 2, 3:
      let semantics = random.choice(LayerNormSemantics.named.map(\.value))
      let parts = x.layerNormalization(
        gain: gain, shift: shift, epsilon: epsilon, statistics: window(), range: range,
        semantics: semantics)
      scalars.append(parts.inverseDeviation)
      return parts.output
    default:
      return x.l2Norm(
        gain: gain, epsilon: epsilon,
        epsilonPlacement: random.choice(RMSNormSemantics.EpsilonPlacement.allCases),
        statistics: window(), range: range)
    }
  }

  /// A step under the flat shape of a row with heads.
  private mutating func reshapedThere() -> Tensor {
    let x = value()
    guard !outer.isEmpty else { return unary(x) }
    return unary(x.reshaped(flat)).reshaped(view)
  }

  // MARK: Outputs

  /// The last value and up to two others, some rounded to a type of their own.
  mutating func outputs() -> [Kernel.Output] {
    var chosen = [values[values.count - 1]]
    if random.happens(0.4) { chosen.append(random.choice(values)) }
    if random.happens(0.4), let scalar = scalars.last { chosen.append(scalar) }
    if random.happens(0.2) {
      // A sum's terms are computed before they meet the sum, named or not.
      let terms = random.terms(of: value(), random.choice(values), parameter())
      chosen.append(terms.sum())
    }
    return chosen.enumerated().map { index, tensor in
      let isRow = tensor.shape.rowExtent == extent
      let stored = isRow && !outer.isEmpty && random.happens(0.5) ? tensor.reshaped(flat) : tensor
      let type = random.happens(0.6) ? type() : nil
      return Kernel.Output("y\(index)", stored, as: type)
    }
  }
}
