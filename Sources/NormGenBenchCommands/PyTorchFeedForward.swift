internal import Foundation
internal import NormGen

/// The feed-forward part of a BERT layer as PyTorch evaluates it in Float32, weights stored
/// [in, out].
enum PyTorchFeedForward {
  /// Every element of gelu(x · weights + bias), by the error function.
  static func up(
    x: HostTensor, weights: HostTensor, bias: HostTensor
  ) -> [PyTorchValue] {
    summedInputs(x, weights, bias).map(gelu)
  }

  /// Every element of the LayerNorm of x · weights + bias + residual.
  static func down(
    x: HostTensor, weights: HostTensor, bias: HostTensor, residual: HostTensor,
    gain: HostTensor, shift: HostTensor, epsilon: Double
  ) -> [PyTorchValue] {
    let hidden = zip(summedInputs(x, weights, bias), residual.doubles).map { sum, residual in
      let value = sum.value + residual
      let error = sum.bound + PyTorchValue.unit * (abs(value) + sum.bound)
      return PyTorchValue(value: value, bound: error)
    }
    return PyTorchLayerNorm.elements(x: hidden, gain: gain, shift: shift, epsilon: epsilon)
  }

  /// x · weights + bias: as many products and sums, in any order, fused or not.
  private static func summedInputs(
    _ x: HostTensor, _ weights: HostTensor, _ bias: HostTensor
  ) -> [PyTorchValue] {
    let columns = bias.count
    let terms = weights.count / columns
    let (x, weights, bias) = (x.doubles, weights.doubles, bias.doubles)
    let gamma = PyTorchValue.gamma(Double(terms + 1)) * PyTorchValue.slack
    return stride(from: 0, to: x.count, by: terms).flatMap { start in
      var sums = bias
      var magnitudes = bias.map { abs($0) }
      for k in 0..<terms {
        let element = x[start + k]
        for column in 0..<columns {
          let product = element * weights[k * columns + column]
          sums[column] += product
          magnitudes[column] += abs(product)
        }
      }
      return zip(sums, magnitudes).map { PyTorchValue(value: $0, bound: gamma * $1) }
    }
  }

  /// a · (1 + erf(a/√2)) / 2.
  private static func gelu(_ a: PyTorchValue) -> PyTorchValue {
    let u = PyTorchValue.unit
    let value = a.value * (1 + erf(a.value * 0.5.squareRoot())) / 2
    // The argument's two roundings move erf by z · erf′(z) ≤ 0.484 each.
    let argument = 2 * u * 0.484
    // erf comes from a library, good to a unit or two, or from formula 7.1.26 of Abramowitz and
    // Stegun, off by 1.5e-7: five coefficients whose magnitudes sum to 4.86, powers of
    // 1/(1 + pz), and exp(−z²), at most 25 roundings on the way of each.
    let evaluation = 1.5e-7 + PyTorchValue.gamma(25) * 4.86
    // The slope of gelu is at most 1.13; the sum 1 + erf is at most 2.
    let error =
      1.13 * a.bound + abs(a.value) / 2 * (argument + evaluation + 2 * u) + 2 * u * abs(value)
    return PyTorchValue(value: value, bound: error * PyTorchValue.slack)
  }
}
