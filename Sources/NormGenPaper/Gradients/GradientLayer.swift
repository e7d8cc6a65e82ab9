import NormGen

/// A norm with gain and shift, of a layer's summed inputs or of given ones, and its derived
/// backward kernel.
struct GradientLayer {
  /// What the norm is taken of.
  enum Subject: String {
    /// xWᵀ, in one kernel with the norm: gradients by x and W.
    case product
    /// Summed inputs a: the gradient by a is R applied to what comes from above.
    case sums
  }

  /// Sizes: inputs and units of a layer, and samples.
  struct Size {
    let inputs: Int
    let units: Int
    let samples: Int
  }

  let norm: RecurrentNorm
  let size: Size
  let forward: Graph
  let backward: CompiledKernel

  init(_ norm: RecurrentNorm, of subject: Subject, _ size: Size, _ compiler: Compiler) throws {
    self.norm = norm
    self.size = size
    let summed: Tensor
    switch subject {
    case .product:
      let x = Tensor.input("x", [.rows, .fixed(size.inputs)], .f32)
      let w = Tensor.input("w", [.fixed(size.units), .fixed(size.inputs)], .f32)
      summed = x.matmul(w, layout: .outIn)
    case .sums: summed = .input("a", [.rows, .fixed(size.units)], .f32)
    }
    let gain = Tensor.input("gain", [.fixed(size.units)], .f32)
    let shift = Tensor.input("shift", [.fixed(size.units)], .f32)
    let kernel = Kernel(
      "gradients_\(norm.rawValue)_\(subject.rawValue)", norm(summed, epsilon: 0) * gain + shift)
    forward = try kernel.graph()
    backward = try compiler.compile(try kernel.gradient())
  }

  /// Seeded inputs and gradients of the output, with so few digits that ``GradientChange`` scales
  /// them exactly.
  func tensors(seed: UInt64) throws -> [String: HostTensor] {
    var random = SeededGenerator(seed: seed)
    func values(_ shape: [Int], mean: Double = 0, deviation: Double = 1) throws -> HostTensor {
      let step = deviation * 0x1p-10
      let count = try HostTensor.count(of: shape)
      let grid = Double(sign: .plus, exponent: Int(step.exponent), significand: 1)
      return try HostTensor(
        (0..<count).map { _ in
          ((mean + random.normal() * deviation) / grid).rounded() * grid
        }, shape: shape, .f32)
    }
    let (samples, units) = (size.samples, size.units)
    return [
      "x": try values([samples, size.inputs]),
      "w": try values([units, size.inputs], deviation: 1 / Double(size.inputs).squareRoot()),
      "a": try values([samples, units]),
      "gain": try values([units], mean: 1, deviation: 0.25),
      "shift": try values([units], deviation: 0.25),
      "d_y": try values([samples, units]),
    ]
  }

  /// Those that the backward kernel reads.
  private func read(_ tensors: [String: HostTensor]) -> [String: HostTensor] {
    let graph = backward.lowering.graph
    let names = Set(graph.inputs.compactMap { graph[$0].inputName })
    return tensors.filter { names.contains($0.key) }
  }

  /// The gradients that the kernel writes, by name.
  func gradients(_ tensors: [String: HostTensor]) throws -> [String: [Double]] {
    try backward(read(tensors)).mapValues(\.doubles)
  }

  /// The oracle's bounds on them.
  func bounds(_ tensors: [String: HostTensor]) throws -> [String: [Double]] {
    let graph = backward.lowering.graph
    let values = try GraphInterpreter.outputs(of: graph, rows: size.samples, inputs: read(tensors))
    return Dictionary(
      uniqueKeysWithValues: zip(graph.outputs, values).map { ($0.name, $1.map(\.error)) })
  }
}
