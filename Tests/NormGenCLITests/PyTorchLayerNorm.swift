import NormGenTensors

/// LayerNorm as PyTorch evaluates it in Float32, with a bound on what that evaluation may lose.
///
/// The order of PyTorch's sums is unspecified, so the bound holds for every order. It is first-order
/// rounding analysis with u = 2⁻²⁴ and γₖ = ku / (1 − ku) (Higham, Accuracy and Stability of
/// Numerical Algorithms, chapters 1 and 3), and a factor that covers the products of errors.
struct PyTorchLayerNorm {
  /// The real value of an element.
  let value: Double
  /// A bound on |PyTorch − value|.
  let bound: Double

  static func elements(
    x: HostTensor, gain: HostTensor, shift: HostTensor, epsilon: Double
  ) -> [PyTorchLayerNorm] {
    let extent = gain.count
    return (0..<x.count / extent).flatMap { row in
      elements(ofRow: (0..<extent).map { x[row * extent + $0] }, gain, shift, epsilon)
    }
  }

  private static func elements(
    ofRow x: [Double], _ gain: HostTensor, _ shift: HostTensor, _ epsilon: Double
  ) -> [PyTorchLayerNorm] {
    let count = Double(x.count)
    let u = 0x1p-24
    func gamma(_ roundings: Double) -> Double { roundings * u / (1 - roundings * u) }

    let mean = x.reduce(0, +) / count
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    let meanSquare = x.reduce(0) { $0 + $1 * $1 } / count
    let inverseDeviation = 1 / (variance + epsilon).squareRoot()

    let meanError = gamma(count) * x.reduce(0) { $0 + abs($1) } / count
    // The one-pass update loses up to the condition number (Chan, Golub and LeVeque), the two-pass
    // sum the square of the mean's error.
    let condition = (meanSquare / variance).squareRoot()
    let varianceError = gamma(count + 4) * condition + meanError * meanError / variance
    // Half of it through the root, and the roundings of adding epsilon, root and division.
    let deviationError = varianceError / 2 + 3 * u

    return x.indices.map { index in
      let normal = (x[index] - mean) * inverseDeviation
      let value = normal * gain[index] + shift[index]
      // Whether x − mean is scaled or x·scale − mean·scale is formed.
      let normalError =
        inverseDeviation * (meanError + 3 * u * (abs(x[index]) + abs(mean)))
        + abs(normal) * (deviationError + 3 * u)
      let error =
        abs(gain[index]) * normalError + u * (2 * abs(normal * gain[index]) + abs(value))
      return PyTorchLayerNorm(value: value, bound: error * (1 + 0x1p-8))
    }
  }
}
