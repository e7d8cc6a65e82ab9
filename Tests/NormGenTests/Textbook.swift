/// The norms once more, as the paper and the frameworks define them, in naive Float64.
///
/// It imports nothing: neither the graph, nor the DSL, nor the order of sums is shared with what
/// it judges. Half types are rounded where a definition casts; Float32 steps are not rounded.
enum Textbook {
  enum Format {
    case single, brain, half, byte, unsignedByte, quarterE4M3, quarterE5M2
  }

  typealias Row = [Double]

  // MARK: Rounding

  /// The nearest number of a type, ties to even; single precision stays as it is. Bytes saturate,
  /// and hold 0 for NaN.
  static func cast(_ x: Double, _ format: Format) -> Double {
    if format == .byte || format == .unsignedByte {
      let (least, greatest) = format == .byte ? (-128.0, 127.0) : (0, 255)
      let limited = x.isNaN ? 0 : min(max(x, least), greatest)
      let below = limited.rounded(.down)
      let rest = limited - below
      return rest > 0.5 || rest == 0.5 && below.remainder(dividingBy: 2) != 0 ? below + 1 : below
    }
    let digits: Double
    var spacing: Double
    let greatest: Double
    switch format {
    case .single, .byte, .unsignedByte: return x
    case .brain: (digits, spacing, greatest) = (256, 0x1p-133, 0x1.fep127)
    case .half: (digits, spacing, greatest) = (2048, 0x1p-24, 65504)
    case .quarterE4M3: (digits, spacing, greatest) = (16, 0x1p-9, 448)
    case .quarterE5M2: (digits, spacing, greatest) = (8, 0x1p-16, 57344)
    }
    let beyond = format == .quarterE4M3 ? Double.nan : .infinity
    if x.isInfinite { return x < 0 ? -beyond : beyond }
    guard x.isFinite, x != 0 else { return x }
    while abs(x) >= digits * spacing { spacing *= 2 }
    var steps = (abs(x) / spacing).rounded(.down)
    let rest = abs(x) / spacing - steps
    if rest > 0.5 || rest == 0.5 && steps.remainder(dividingBy: 2) != 0 { steps += 1 }
    let magnitude = steps * spacing > greatest ? beyond : steps * spacing
    return x < 0 ? -magnitude : magnitude
  }

  static func cast(_ row: Row, _ format: Format) -> Row { row.map { cast($0, format) } }

  /// The type of a product of tensors in PyTorch.
  static func promoted(_ a: Format, _ b: Format) -> Format { a == b ? a : .single }

  // MARK: Statistics

  static func mean(_ row: Row) -> Double { row.reduce(0, +) / Double(row.count) }

  static func meanSquare(_ row: Row) -> Double { mean(row.map { $0 * $0 }) }

  static func product(_ row: Row, _ gain: Row) -> Row { zip(row, gain).map { $0 * $1 } }

  static func sum(_ row: Row, _ shift: Row) -> Row { zip(row, shift).map { $0 + $1 } }

  // MARK: Quantization

  /// A row by its largest magnitude as 127.
  static func quantized(_ row: Row) -> Row {
    var greatest = 0.0
    for x in row { greatest = max(greatest, abs(x)) }
    return row.map { cast($0 / (greatest / 127), .byte) }
  }

  // MARK: RMSNorm of the first k elements

  /// Hugging Face's LlamaRMSNorm: weight · (x · rsqrt(variance + ε)).to(input_dtype).
  static func llama(
    _ x: Row, _ w: Row, _ e: Double, _ k: Int, _ t: Format, _ wt: Format
  ) -> Row {
    let variance = meanSquare(Array(x[..<k]))
    let normalized = cast(x.map { $0 / (variance + e).squareRoot() }, t)
    return cast(product(normalized, w), promoted(t, wt))
  }

  /// Hugging Face's T5LayerNorm: the cast happens only if the weight is a half type.
  static func t5(_ x: Row, _ w: Row, _ e: Double, _ k: Int, _ t: Format, _ wt: Format) -> Row {
    let variance = meanSquare(Array(x[..<k]))
    var normalized = x.map { $0 / (variance + e).squareRoot() }
    if wt != .single { normalized = cast(normalized, wt) }
    return cast(product(normalized, w), wt)
  }

  /// Hugging Face's GemmaRMSNorm: (norm(x.float()) · (1 + weight.float())).type_as(x).
  static func gemma(_ x: Row, _ w: Row, _ e: Double, _ k: Int, _ t: Format, _: Format) -> Row {
    let variance = meanSquare(Array(x[..<k]))
    let normalized = x.map { $0 / (variance + e).squareRoot() }
    return cast(product(normalized, w.map { 1 + $0 }), t)
  }

  /// Everything in Float32, rounded when it is stored: torch.nn.functional.rms_norm, ggml, the
  /// paper's TensorFlow code.
  static func plain(_ x: Row, _ w: Row, _ e: Double, _ k: Int, _ t: Format, _: Format) -> Row {
    let variance = meanSquare(Array(x[..<k]))
    return cast(product(x.map { $0 / (variance + e).squareRoot() }, w), t)
  }

  /// ONNX RMSNormalization-23: the normalized row is cast to T, then scaled in T.
  static func onnx(_ x: Row, _ w: Row, _ e: Double, _ k: Int, _ t: Format, _: Format) -> Row {
    let root = (meanSquare(Array(x[..<k])) + e).squareRoot()
    return cast(product(cast(x.map { $0 / root }, t), w), t)
  }

  /// The paper's PyTorch code: scale · x / (‖x‖ · d^(−1/2) + ε), ε outside the root.
  static func paperTorch(
    _ x: Row, _ w: Row, _ e: Double, _ k: Int, _ t: Format, _: Format
  ) -> Row {
    var squares = 0.0
    for element in x[..<k] { squares += element * element }
    let rms = squares.squareRoot() / Double(k).squareRoot()
    return cast(product(x.map { $0 / (rms + e) }, w), t)
  }

  // MARK: LayerNorm

  /// The paper's equation 2 with ε under the root: one rounding, where it is stored.
  static func layer(_ x: Row, _ g: Row, _ b: Row, _ e: Double, _ t: Format) -> Row {
    let m = mean(x)
    let deviation = (meanSquare(x.map { $0 - m }) + e).squareRoot()
    return cast(sum(product(x.map { ($0 - m) / deviation }, g), b), t)
  }

  /// ONNX LayerNormalization-17: cast to T, scaled in T, shifted in T.
  static func onnxLayer(_ x: Row, _ g: Row, _ b: Row, _ e: Double, _ t: Format) -> Row {
    let m = mean(x)
    let deviation = (meanSquare(x.map { $0 - m }) + e).squareRoot()
    let scaled = cast(product(cast(x.map { ($0 - m) / deviation }, t), g), t)
    return cast(sum(scaled, b), t)
  }

  // MARK: Matrices

  /// A tensor as the rows of a matrix.
  static func rows(of elements: Row, extent: Int) -> [Row] {
    stride(from: 0, to: elements.count, by: extent).map { Row(elements[$0..<($0 + extent)]) }
  }

  /// x·W.
  static func product(_ x: Row, matrix: [Row]) -> Row {
    matrix[0].indices.map { column in
      var sum = 0.0
      for k in x.indices { sum += x[k] * matrix[k][column] }
      return sum
    }
  }

  /// torch.nn.functional.linear without bias: x·Wᵀ.
  static func linear(_ x: Row, _ matrix: [Row]) -> Row {
    matrix.map { weights in
      var sum = 0.0
      for k in x.indices { sum += x[k] * weights[k] }
      return sum
    }
  }

  // MARK: Others

  /// x / max(‖x‖, ε).
  static func l2(_ x: Row, _ e: Double, _ t: Format) -> Row {
    let length = x.map { $0 * $0 }.reduce(0, +).squareRoot()
    return cast(x.map { $0 / max(length, e) }, t)
  }

  /// Salimans and Kingma, equation 2: w = (g/‖v‖)·v.
  static func weightNorm(_ v: Row, _ g: Double, _ t: Format) -> Row {
    let length = v.map { $0 * $0 }.reduce(0, +).squareRoot()
    return cast(v.map { g / length * $0 }, t)
  }

  /// Ioffe and Szegedy, algorithm 2, for one channel.
  static func batchNorm(
    _ x: Row, mean: Double, variance: Double, _ g: Double, _ b: Double, _ e: Double, _ t: Format
  ) -> Row {
    cast(x.map { g / (variance + e).squareRoot() * ($0 - mean) + b }, t)
  }

  /// Ioffe and Szegedy, algorithm 1, for one channel of a batch: y.
  static func trainedBatchNorm(_ x: Row, _ g: Double, _ b: Double, _ e: Double) -> Row {
    let m = mean(x)
    let deviation = (meanSquare(x.map { $0 - m }) + e).squareRoot()
    return x.map { g * (($0 - m) / deviation) + b }
  }

  /// Ioffe and Szegedy, section 3: the chain rule through variance and mean, for one channel of a
  /// batch: ∂x, ∂γ, ∂β.
  static func trainedBatchNormGradient(
    _ x: Row, _ dy: Row, _ g: Double, _ e: Double
  ) -> (x: Row, gain: Double, shift: Double) {
    let m = mean(x)
    let centred = x.map { $0 - m }
    let variance = meanSquare(centred) + e
    let count = Double(x.count)
    let normalized = dy.map { $0 * g }
    let byVariance =
      -product(normalized, centred).reduce(0, +) / (2 * variance * variance.squareRoot())
    let byMean =
      -normalized.reduce(0, +) / variance.squareRoot()
      - 2 * byVariance * centred.reduce(0, +) / count
    let dx = zip(normalized, centred).map { upstream, c in
      upstream / variance.squareRoot() + byVariance * 2 * c / count + byMean / count
    }
    let hat = centred.map { $0 / variance.squareRoot() }
    return (dx, product(dy, hat).reduce(0, +), dy.reduce(0, +))
  }

  /// Wu and He, equations 1 to 7, for a sample of channels: μ and σ over a group's channels and
  /// positions, then γ and β of the channel.
  static func groupNorm(
    _ channels: [Row], groups: Int, _ g: [Double], _ b: [Double], _ e: Double, _ t: Format
  ) -> [Row] {
    let size = channels.count / groups
    return channels.indices.map { c in
      let first = c / size * size
      let group = channels[first..<(first + size)].flatMap { $0 }
      let m = mean(group)
      let deviation = (meanSquare(group.map { $0 - m }) + e).squareRoot()
      return cast(channels[c].map { ($0 - m) / deviation * g[c] + b[c] }, t)
    }
  }

  /// x·Φ(x) by the integral of the density (Simpson's rule), for |x| < 8.
  static func gelu(_ x: Double) -> Double {
    func density(_ t: Double) -> Double { exponential(-t * t / 2) / 2.5066282746310002 }
    let steps = 2000
    let width = x / Double(steps)
    var integral = density(0) + density(x)
    for step in 1..<steps { integral += density(Double(step) * width) * (step % 2 == 0 ? 2 : 4) }
    return x * (0.5 + integral * width / 3)
  }

  /// x / (1 + e⁻ˣ).
  static func silu(_ x: Double) -> Double { x / (1 + exponential(-x)) }

  /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).
  static func hyperbolicTangent(_ x: Double) -> Double {
    let (up, down) = (exponential(x), exponential(-x))
    return (up - down) / (up + down)
  }

  /// The tanh form of gelu.
  static func geluTanh(_ x: Double) -> Double {
    0.5 * x * (1 + hyperbolicTangent(0.7978845608028654 * (x + 0.044715 * x * x * x)))
  }

  /// eˣ by its series for a 1024th of x.
  static func exponential(_ x: Double) -> Double {
    let small = x / 1024
    var (term, sum) = (1.0, 1.0)
    for n in 1..<20 {
      term *= small / Double(n)
      sum += term
    }
    for _ in 0..<10 { sum *= sum }
    return sum
  }
}
