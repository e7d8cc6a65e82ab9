import NormGen
import Testing

/// A kernel with matmuls that tests run, for any extents, layout and types.
struct MatmulSpecimen: Sendable, CustomTestStringConvertible {
  /// What a kernel is made for.
  struct Shape: Sendable, CustomStringConvertible {
    /// Elements of a row of the input.
    let terms: Int
    /// Elements of a row of the product.
    let columns: Int
    var types = Specimen.Types.all[0]
    var layout = Matmul.WeightLayout.inOut
    /// Elements of a head.
    var head = 64

    var description: String {
      "\(terms)x\(columns)_\(layout.rawValue)_\(types.name)"
    }
  }

  /// The parameters that a specimen is composed from.
  struct Parameters {
    let shape: Shape
    let epsilon: Float
    var terms: Int { shape.terms }
    var columns: Int { shape.columns }

    func row(_ name: String, _ extent: Int) -> Tensor {
      .input(name, [.rows, .fixed(extent)], shape.types.input)
    }

    func vector(_ name: String, _ extent: Int) -> Tensor {
      .input(name, [.fixed(extent)], shape.types.gain)
    }

    func weights(_ name: String, _ terms: Int, _ columns: Int) -> Tensor {
      let extents: [Extent] =
        switch shape.layout {
        case .inOut: [.fixed(terms), .fixed(columns)]
        case .outIn: [.fixed(columns), .fixed(terms)]
        }
      return .input(name, extents, shape.types.gain)
    }

    /// The product of rows with weights called `name`.
    func times(_ x: Tensor, _ name: String, _ terms: Int, _ columns: Int) -> Tensor {
      x.matmul(weights(name, terms, columns), layout: shape.layout)
    }

    var x: Tensor { row("x", terms) }
    var residual: Tensor { row("residual", columns) }
    /// Weights times numbers for each of their rows and columns.
    var scaledWeights: Tensor {
      let w = weights("w", terms, columns)
      let extents = w.shape.extents
      let heights = Tensor.input("heights", [.fixed(extents[0]), 1], shape.types.input)
      return w * heights * vector("widths", extents[1])
    }

    /// x · w.
    var product: Tensor { times(x, "w", terms, columns) }
    var biased: Tensor { product + vector("bias", columns) }
    /// A vector of each name for the norm of `columns` elements.
    var gain: Tensor { vector("gain", columns) }
    var shift: Tensor { vector("shift", columns) }

    func rms(_ value: Tensor, _ gain: String = "gain") -> Tensor {
      value.rmsNorm(gain: vector(gain, columns), epsilon: epsilon)
    }

    func layer(_ value: Tensor) -> Tensor {
      value.layerNorm(gain: gain, shift: shift, epsilon: epsilon)
    }

    /// The input normalized.
    var normedInput: Tensor {
      x.rmsNorm(gain: vector("gain_x", terms), epsilon: epsilon)
    }
  }

  let name: String
  /// Whether the columns must be whole heads.
  var hasHeads = false
  let outputs: @Sendable (Parameters) -> [Kernel.Output]

  var testDescription: String { name }

  init(_ name: String, _ output: @escaping @Sendable (Parameters) -> Tensor) {
    self.name = name
    self.outputs = { [Kernel.Output("y", output($0))] }
  }

  init(several name: String, _ outputs: @escaping @Sendable (Parameters) -> [Kernel.Output]) {
    self.name = name
    self.outputs = outputs
  }

  init(heads name: String, _ output: @escaping @Sendable (Parameters) -> Tensor) {
    self.init(name, output)
    hasHeads = true
  }

  /// The kernel of a shape; its name tells it.
  func graph(_ shape: Shape, epsilon: Float = 0.8765) throws -> Graph {
    try Kernel(
      "\(name)_\(shape)", outputs: outputs(Parameters(shape: shape, epsilon: epsilon))
    ).graph()
  }
}

extension MatmulSpecimen {
  static let all: [MatmulSpecimen] = plain + epilogues + prologues + chains + cells + blocks

  static func named(_ name: String) -> MatmulSpecimen? { all.first { $0.name == name } }

  private static let plain: [MatmulSpecimen] = [
    MatmulSpecimen("product") { $0.product },
    MatmulSpecimen(several: "product_and_input") {
      [Kernel.Output("y", $0.product), Kernel.Output("twice", $0.x + $0.x)]
    },
    MatmulSpecimen("two_inputs") {
      $0.product + $0.times($0.row("h", $0.columns), "u", $0.columns, $0.columns)
    },
    MatmulSpecimen("scaled_weights") { $0.x.matmul($0.scaledWeights, layout: $0.shape.layout) },
    MatmulSpecimen(several: "normalized_weights") {
      // The weights, and what they are computed from, have other uses.
      let w = $0.scaledWeights
      let normed = $0.x.matmul(w.l2Norm(), layout: $0.shape.layout)
      let widths = Tensor.input("widths", [.fixed(w.shape.rowExtent)], $0.shape.types.gain)
      return [
        Kernel.Output("y", normed + $0.product),
        Kernel.Output("z", $0.row("z_in", w.shape.rowExtent) * widths),
      ]
    },
  ]

  private static let epilogues: [MatmulSpecimen] =
    [Activation.gelu, .geluTanh, .silu, .relu].flatMap { activation in
      [
        MatmulSpecimen("\(activation.name)_rms") { $0.rms($0.biased.activated(by: activation)) },
        MatmulSpecimen("\(activation.name)_residual_layer") {
          $0.layer($0.biased.activated(by: activation) + $0.residual)
        },
      ]
    } + [
      MatmulSpecimen(several: "gated_residual") {
        let hidden = $0.residual + $0.product * $0.vector("alpha", 1).tanh()
        return [Kernel.Output("hidden", hidden), Kernel.Output("y", $0.rms(hidden))]
      },
      MatmulSpecimen("ngpt") {
        let normed = $0.product.l2Norm(epsilon: $0.epsilon)
        let step = $0.vector("alpha", $0.columns) * (normed - $0.residual)
        return ($0.residual + step).l2Norm(epsilon: $0.epsilon)
      },
      MatmulSpecimen(several: "sandwich") {
        let normed = $0.product.rmsNorm(
          gain: $0.gain, epsilon: $0.epsilon, semantics: .gemma)
        let hidden = (normed + $0.residual).rounded(to: $0.shape.types.input)
        return [
          Kernel.Output("hidden", hidden),
          Kernel.Output(
            "y",
            hidden.rmsNorm(
              gain: $0.vector("next", $0.columns), epsilon: $0.epsilon, semantics: .gemma)),
        ]
      },
      MatmulSpecimen(heads: "heads") {
        let heads = $0.product.reshaped(
          [.rows, .fixed($0.columns / $0.shape.head), .fixed($0.shape.head)])
        let normed = heads.rmsNorm(
          gain: $0.vector("head_gain", $0.shape.head), epsilon: $0.epsilon, semantics: .llama)
        return normed.reshaped([.rows, .fixed($0.columns)])
      },
    ]

  private static let prologues: [MatmulSpecimen] = [
    MatmulSpecimen("norm_gelu") {
      ($0.times($0.normedInput, "w", $0.terms, $0.columns) + $0.vector("bias", $0.columns)).gelu()
    },
    MatmulSpecimen(several: "qkv") {
      let normed = $0.normedInput
      return [
        Kernel.Output("q", $0.times(normed, "wq", $0.terms, $0.columns)),
        Kernel.Output("k", $0.times(normed, "wk", $0.terms, ($0.columns + 2) / 3)),
        Kernel.Output("v", $0.times(normed, "wv", $0.terms, ($0.columns + 2) / 3)),
      ]
    },
    MatmulSpecimen("gate_up_silu") {
      let normed = $0.normedInput
      let gate = $0.times(normed, "gate", $0.terms, $0.columns).silu()
      return gate * $0.times(normed, "up", $0.terms, $0.columns)
    },
    MatmulSpecimen("gate_up_gelu") {
      let gate = $0.times($0.x, "gate", $0.terms, $0.columns).gelu()
      return gate * $0.times($0.x, "up", $0.terms, $0.columns)
    },
    MatmulSpecimen(several: "normed_and_product") {
      let normed = $0.normedInput
      let product = $0.times(normed, "w", $0.terms, $0.terms)
      return [
        Kernel.Output("normed", normed, as: .f32),
        Kernel.Output("y", product.rmsNorm(epsilon: $0.epsilon) + normed),
      ]
    },
    MatmulSpecimen("rounded_norm") {
      let normed = $0.x.layerNorm(
        gain: $0.vector("gain_x", $0.terms), shift: $0.vector("shift_x", $0.terms),
        epsilon: $0.epsilon)
      return $0.rms($0.times(normed.rounded(to: .bf16), "w", $0.terms, $0.columns))
    },
    MatmulSpecimen("deferred_division") {
      let meanSquare = ($0.x * $0.x).mean()
      let scaled = $0.x * $0.vector("gain_x", $0.terms)
      let product = $0.times(scaled, "w", $0.terms, $0.columns)
      return product / (meanSquare + $0.epsilon).squareRoot()
    },
  ]

  private static let chains: [MatmulSpecimen] = [
    MatmulSpecimen("mlp") {
      let gate = $0.times($0.x, "gate", $0.terms, $0.columns).silu()
      let up = $0.times($0.x, "up", $0.terms, $0.columns)
      return $0.times(gate * up, "down", $0.columns, $0.terms) + $0.x
    },
    MatmulSpecimen("normed_mlp") {
      let normed = $0.normedInput
      let gate = $0.times(normed, "gate", $0.terms, $0.columns).geluTanh()
      let up = $0.times(normed, "up", $0.terms, $0.columns)
      let down = $0.times(
        (gate * up).rounded(to: $0.shape.types.input), "down", $0.columns, $0.terms)
      return (down + $0.x).rmsNorm(epsilon: $0.epsilon)
    },
    MatmulSpecimen("product_of_product") {
      $0.times($0.product, "v", $0.columns, $0.terms)
    },
    MatmulSpecimen("same_weights_twice") {
      let square = $0.weights("w", $0.terms, $0.terms)
      return $0.x.matmul(square, layout: $0.shape.layout)
        .matmul(square, layout: $0.shape.layout)
    },
    MatmulSpecimen("three_levels") {
      let first = $0.times($0.x, "w", $0.terms, $0.columns).relu()
      let second = $0.times($0.rms(first), "v", $0.columns, $0.columns).relu()
      return $0.times(second + first, "u", $0.columns, $0.terms) + $0.x
    },
    MatmulSpecimen(several: "weights_and_rows") {
      // The weights are read as they are, too.
      let square = $0.weights("w", $0.terms, $0.terms)
      let product = $0.x.matmul(square, layout: $0.shape.layout)
      let transposed: Matmul.WeightLayout = $0.shape.layout == .inOut ? .outIn : .inOut
      return [
        Kernel.Output("y", product), Kernel.Output("z", $0.x.matmul(square, layout: transposed)),
      ]
    },
  ]

  private static let cells: [MatmulSpecimen] = [
    // The paper's GRU with normalized summed inputs (order-embedding).
    MatmulSpecimen("gru") { parts in
      let h = parts.row("h", parts.columns)
      func summed(_ name: String) -> Tensor {
        let product = parts.times(parts.x, "w\(name)", parts.terms, parts.columns)
        return parts.rms(product + parts.vector("b\(name)", parts.columns))
      }
      func recurrent(_ name: String) -> Tensor {
        parts.rms(parts.times(h, "u\(name)", parts.columns, parts.columns), "gain_h")
      }
      let reset = (summed("r") + recurrent("r")).sigmoid()
      let update = (summed("z") + recurrent("z")).sigmoid()
      let candidate = (recurrent("c") * reset + summed("c")).tanh()
      return update * h + (1 - update) * candidate
    }
  ]
  /// Weights in blocks, of at least so many terms; layouts and types of weights have no part in them.
  private static let blocks: [MatmulSpecimen] = [
    MatmulSpecimen("blocks_norm_silu") {
      let x = $0.row("x", $0.wholeBlocks(of: .q4_0))
        .rmsNorm(gain: $0.vector("gain_x", $0.wholeBlocks(of: .q4_0)), epsilon: $0.epsilon)
      return $0.rms(
        ($0.times(x, "w", $0.columns, in: .q4_0) + $0.vector("bias", $0.columns)).silu())
    },
    MatmulSpecimen("blocks_gate_up") {
      let x = $0.row("x", $0.wholeBlocks(of: .q6_K))
      let gate = $0.times(x, "gate", $0.columns, in: .q4_K).geluTanh()
      return gate * $0.times(x, "up", $0.columns, in: .q6_K) + $0.residual
    },
  ]
}

extension MatmulSpecimen.Parameters {
  /// The terms, made whole blocks.
  func wholeBlocks(of format: BlockFormat) -> Int {
    (terms + format.elementCount - 1) / format.elementCount * format.elementCount
  }

  /// The product of rows with weights in blocks.
  func times(_ x: Tensor, _ name: String, _ columns: Int, in format: BlockFormat) -> Tensor {
    let weights = Tensor.input(name, [.fixed(columns), .fixed(x.shape.rowExtent)], format)
    return x.matmul(weights, layout: .outIn)
  }
}
