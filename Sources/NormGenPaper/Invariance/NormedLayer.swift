import NormGen

/// A layer with one of Table 1's norms, as generated kernels: pre-activations with gain and shift.
protocol NormedLayer {
  /// The kernels' outputs, [samples, units].
  func outcome(of layer: WeightedLayer) throws -> NormedOutcome

  /// How far the outputs of a changed layer may be from the plain one's if the norm does not see
  /// the change: the derived bounds of both calls, and the real value's movement because changed
  /// weights and data are rounded anew.
  func bounds(
    _ plain: NormedOutcome, _ changed: NormedOutcome, _ relation: WeightedLayer.Relation
  ) throws -> [Double]
}

/// One call's outputs, and what their bounds are derived from.
struct NormedOutcome {
  let layer: WeightedLayer
  let values: [Double]
  /// What the kernel that wrote the outputs read.
  let inputs: [String: HostTensor]
}

/// Gain and shift of a layer.
struct Affine {
  let gain: HostTensor
  /// Nil for outputs that flip their sign with the summed inputs.
  let shift: HostTensor?

  /// Seeded values around 1, of the kernels' shape.
  init(_ shape: [Int], hasShift: Bool, random: inout SeededGenerator) throws {
    let count = shape.reduce(1, *)
    gain = try HostTensor(
      (0..<count).map { _ in Float(1 + random.normal() / 4) }, shape: shape)
    let values = (0..<count).map { _ in Float(1 + random.normal() / 4) }
    shift = hasShift ? try HostTensor(values, shape: shape) : nil
  }

  /// The tensors by the kernels' names.
  var tensors: [String: HostTensor] {
    shift.map { ["gain": gain, "shift": $0] } ?? ["gain": gain]
  }
}

extension NormedLayer {
  /// The oracle's bounds on a kernel's only output.
  func errors(of kernel: CompiledKernel, rows: Int, _ inputs: [String: HostTensor]) throws
    -> [Double]
  {
    let outputs = try GraphInterpreter.outputs(
      of: kernel.lowering.graph, rows: rows, inputs: inputs)
    return outputs.first?.map(\.error) ?? []
  }

  /// How far x/‖x‖ moves, scaled so that ‖x‖ is `length`, when x moves by at most `most` in each
  /// element and `lengthMove` in length: |x + e|/(L ± m) against |x|/L.
  func movement(of element: Double, by most: Double, length: Double, lengthMove: Double)
    -> Double
  {
    guard lengthMove < length else { return .infinity }
    return (most + abs(element / length) * lengthMove) / (length - lengthMove)
  }
}

/// The kernels of one norm for one size of layer.
enum NormedLayers {
  /// The layer with a norm.
  static func layer(
    _ norm: InvarianceNorm, like layer: WeightedLayer, hasShift: Bool, seed: UInt64,
    compiler: Compiler
  ) throws -> any NormedLayer {
    var random = SeededGenerator(seed: seed)
    switch norm {
    case .batchNorm:
      return try BatchNormedLayer(layer, hasShift: hasShift, &random, compiler)
    case .weightNorm:
      return try WeightNormedLayer(layer, hasShift: hasShift, &random, compiler)
    case .layerNorm, .rmsNorm, .partialRMSNorm:
      return try RowNormedLayer(norm, layer, hasShift: hasShift, &random, compiler)
    }
  }
}
