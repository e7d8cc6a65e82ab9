internal import NormGen

/// LayerNorm as PyTorch evaluates it in Float32.
enum PyTorchLayerNorm {
  /// Every element of the LayerNorm of `x`, whose rows are as long as the gain.
  static func elements(
    x: HostTensor, gain: HostTensor, shift: HostTensor, epsilon: Double
  ) -> [PyTorchValue] {
    elements(
      x: x.doubles.map { PyTorchValue(value: $0, bound: 0) }, gain: gain, shift: shift,
      epsilon: epsilon)
  }

  /// Every element of the LayerNorm of values that PyTorch has computed.
  static func elements(
    x: [PyTorchValue], gain: HostTensor, shift: HostTensor, epsilon: Double
  ) -> [PyTorchValue] {
    let extent = gain.count
    let (gain, shift) = (gain.doubles, shift.doubles)
    return stride(from: 0, to: x.count, by: extent).flatMap { start in
      let row = x[start..<min(start + extent, x.count)]
      return elements(ofRow: row.map(\.value), errors: row.map(\.bound), gain, shift, epsilon)
    }
  }

  private static func elements(
    ofRow x: [Double], errors: [Double], _ gain: [Double], _ shift: [Double], _ epsilon: Double
  ) -> [PyTorchValue] {
    let count = Double(x.count)
    let u = PyTorchValue.unit

    let mean = x.reduce(0, +) / count
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    let meanSquare = x.reduce(0) { $0 + $1 * $1 } / count
    let inverseDeviation = 1 / (variance + epsilon).squareRoot()

    let meanError = PyTorchValue.gamma(count) * x.reduce(0) { $0 + abs($1) } / count
    // The one-pass update loses up to the condition number (Chan, Golub and LeVeque), the two-pass
    // sum the square of the mean's error.
    let condition = (meanSquare / variance).squareRoot()
    let varianceError =
      PyTorchValue.gamma(count + 4) * condition + meanError * meanError / variance
    // Half of it through the root, and the roundings of adding epsilon, root and division.
    let deviationError = varianceError / 2 + 3 * u

    // A row moved by its elements' errors moves its deviation by at most their root mean square.
    let movement = inverseDeviation * (errors.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
    let meanMovement = errors.reduce(0, +) / count

    return x.indices.map { index in
      let normal = (x[index] - mean) * inverseDeviation
      let value = normal * gain[index] + shift[index]
      // Whether x − mean is scaled or x·scale − mean·scale is formed.
      let normalError =
        inverseDeviation
        * (errors[index] + meanMovement + meanError + 3 * u * (abs(x[index]) + abs(mean)))
        + abs(normal) * (movement + deviationError + 3 * u)
      let error =
        abs(gain[index]) * normalError + u * (2 * abs(normal * gain[index]) + abs(value))
      let bound = movement < 1 ? error / (1 - movement) * PyTorchValue.slack : .infinity
      return PyTorchValue(value: value, bound: bound)
    }
  }
}
