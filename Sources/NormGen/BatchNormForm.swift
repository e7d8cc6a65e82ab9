import NormGenDSL
import NormGenIR

/// The kernels of batch normalization with the batch's own statistics.
struct BatchNormForm {
  private let layer: BatchNormTraining.Layer
  private let x: Tensor
  private let gain: Tensor?
  private let shift: Tensor?
  private let upstream: Tensor

  init(_ layer: BatchNormTraining.Layer) {
    self.layer = layer
    let channels = Extent.fixed(layer.channels)
    let row = layer.positions.map { [.rows, channels, .fixed($0)] } ?? [.rows, channels]
    x = .input("x", row, layer.storage)
    upstream = .input("d_y", row, layer.storage)
    gain = layer.hasGain ? BatchNormForm.parameter("gain", layer) : nil
    shift = layer.hasShift ? BatchNormForm.parameter("shift", layer) : nil
  }

  private static func parameter(_ name: String, _ layer: BatchNormTraining.Layer) -> Tensor {
    let channels = Extent.fixed(layer.channels)
    return .input(name, layer.positions == nil ? [channels] : [channels, 1], .f32)
  }

  private func parameter(_ name: String) -> Tensor { BatchNormForm.parameter(name, layer) }

  // MARK: Forward

  var meanKernel: Kernel {
    Kernel("batch_mean", outputs: [Kernel.Output("y", x.batchMean(), as: .f32)])
  }

  var varianceKernel: Kernel {
    let variance = x.batchVariance(mean: parameter("mean"))
    return Kernel("batch_variance", outputs: [Kernel.Output("y", variance, as: .f32)])
  }

  var normalizationKernel: Kernel {
    Kernel("batch_norm", normalized(mean: parameter("mean"), variance: parameter("variance")))
  }

  private func normalized(mean: Tensor, variance: Tensor) -> Tensor {
    x.batchNorm(
      mean: mean, variance: variance, gain: gain, shift: shift, epsilon: layer.epsilon)
  }

  /// All of it as one graph.
  var forward: Kernel {
    let mean = x.batchMean()
    return Kernel(
      "batch_norm_forward", normalized(mean: mean, variance: x.batchVariance(mean: mean)))
  }

  // MARK: Backward

  /// The gradients by gain and shift, whether the layer has them or not.
  var sumsKernel: Kernel {
    let (gain, shift) = upstreamTerms(
      centred: x - parameter("mean"), inverse: inverse(of: parameter("variance")))
    return Kernel(
      "batch_norm_sums",
      outputs: [
        Kernel.Output("d_gain", gain.sumOverRows(), as: .f32),
        Kernel.Output("d_shift", shift.sumOverRows(), as: .f32),
      ])
  }

  var gradientKernel: Kernel {
    let terms = Tensor.input("terms", [1], .f32)
    return Kernel(
      "batch_norm_input_gradient",
      gradient(
        centred: x - parameter("mean"), inverse: inverse(of: parameter("variance")),
        meanOfUpstream: parameter("d_shift") / terms,
        meanOfProduct: parameter("d_gain") / terms))
  }

  /// All of it as one graph. It divides by rows and positions one after the other, where the
  /// kernels divide once: its bounds hold for theirs.
  var backward: Kernel {
    let mean = x.batchMean()
    let inverse = inverse(of: x.batchVariance(mean: mean))
    let centred = x - mean
    let (gainTerms, shiftTerms) = upstreamTerms(centred: centred, inverse: inverse)
    let positions = Float(layer.positions ?? 1)
    let value = gradient(
      centred: centred, inverse: inverse, meanOfUpstream: shiftTerms.meanOverRows() / positions,
      meanOfProduct: gainTerms.meanOverRows() / positions)
    return Kernel(
      "batch_norm_backward",
      outputs: [
        Kernel.Output("d_x", value, as: layer.storage),
        Kernel.Output("d_gain", gainTerms.sumOverRows(), as: .f32),
        Kernel.Output("d_shift", shiftTerms.sumOverRows(), as: .f32),
      ])
  }

  private func inverse(of variance: Tensor) -> Tensor {
    1 / (variance + layer.epsilon).squareRoot()
  }

  /// What is summed over rows for the gradients by gain and shift.
  private func upstreamTerms(centred: Tensor, inverse: Tensor) -> (gain: Tensor, shift: Tensor) {
    let product = upstream * (centred * inverse)
    return layer.positions == nil ? (product, upstream) : (product.sum(), upstream.sum())
  }

  /// g/σ · (∂y − mean(∂y) − x̂ · mean(∂y x̂)).
  private func gradient(
    centred: Tensor, inverse: Tensor, meanOfUpstream: Tensor, meanOfProduct: Tensor
  ) -> Tensor {
    let scale = gain.map { $0 * inverse } ?? inverse
    let slope = meanOfProduct * inverse
    return (((upstream - meanOfUpstream) - centred * slope) * scale).stored(as: layer.storage)
  }
}
