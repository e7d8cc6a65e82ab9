public import NormGenDSL
public import NormGenIR

/// A place of a real model that becomes one kernel.
public struct ModelSite: Sendable {
  /// The model's name.
  public let model: String
  /// What the kernel computes there, such as `RMS → q, k, v`.
  public let site: String
  /// The kernel, with the model's extents and semantics.
  public let kernel: Kernel
  /// The numbers of rows to time.
  public let rows: [Int]

  /// Creates a site.
  public init(model: String, site: String, kernel: Kernel, rows: [Int] = [1, 16, 128]) {
    self.model = model
    self.site = site
    self.kernel = kernel
    self.rows = rows
  }
}

/// The places of real models where a norm meets a matmul, with their shapes.
///
/// Values are rounded to the model's storage type where the framework's modules hand a tensor on:
/// after a linear layer, an activation, a product, a sum, and as the norm's semantics say. Weights
/// are stored as the framework stores them, [out, in] unless the model's code multiplies x · W.
public enum Models {
  /// All sites, grouped by model.
  ///
  /// - Parameter accumulation: How sites that are stored in bf16 sum their products, as `bf16Dot` or else in
  ///   the exact order; sites whose rows are integers sum those, others have the exact order.
  public static func sites(accumulate accumulation: Matmul.Accumulation = .fused) -> [ModelSite] {
    baichuan(accumulation) + baichuanInBlocks() + gemma(accumulation) + idefics(accumulation)
      + refact(accumulation) + llama(accumulation) + mindSpore() + mirage(accumulation)
  }

  /// The models' names, in order.
  public static let names: [String] = {
    var names: [String] = []
    for site in sites() where names.last != site.model { names.append(site.model) }
    return names
  }()
}

/// The inputs and layers of one model.
struct ModelLayers {
  /// The type of activations and weights.
  let storage: DType
  /// How products are summed.
  let accumulation: Matmul.Accumulation
  /// What the weights of linear layers are blocks of; nil for the storage type, or for i8 with a scale for
  /// each output if rows are quantized.
  let format: BlockFormat?
  /// Whether rows are quantized before weights multiply them: beside ggml's blocks as llama.cpp does, beside
  /// i8 as whole rows.
  let quantizesRows: Bool

  /// Layers in a storage type; the licence exists for bf16 only, and integers for quantized rows.
  init(
    _ storage: DType, _ accumulation: Matmul.Accumulation = .fused,
    weights format: BlockFormat? = nil, quantizesRows: Bool = false
  ) {
    self.format = format
    self.quantizesRows = quantizesRows
    self.storage = storage
    self.accumulation = storage == .bf16 && accumulation == .bf16Dot ? .bf16Dot : .fused
  }

  /// An input with rows.
  func rows(_ name: String, _ extent: Int) -> Tensor {
    .input(name, [.rows, .fixed(extent)], storage)
  }

  /// A gain, shift or bias.
  func vector(_ name: String, _ extent: Int) -> Tensor {
    .input(name, [.fixed(extent)], storage)
  }

  /// A value as a module of the framework returns it.
  func returned(_ value: Tensor) -> Tensor {
    storage == .f32 ? value : value.rounded(to: storage)
  }

  /// A linear layer without bias, whose weights are called `weights`; blocks lie [out, in].
  func linear(
    _ x: Tensor, _ weights: String, to extent: Int, layout: Matmul.WeightLayout = .outIn
  ) -> Tensor {
    let axes: [Extent]
    switch layout {
    case .outIn: axes = [.fixed(extent), .fixed(x.shape.rowExtent)]
    case .inOut: axes = [.fixed(x.shape.rowExtent), .fixed(extent)]
    }
    let w: Tensor =
      if let format {
        .input(weights, axes, format)
      } else {
        .input(weights, axes, quantizesRows ? .i8 : storage)
      }
    guard quantizesRows else {
      return returned(x.matmul(w, layout: layout, accumulate: accumulation))
    }
    guard let format else {
      let rows = x.quantizedRows()
      let sums = rows.values.matmul(w, layout: layout, accumulate: .int8)
      return returned(sums * rows.scale * vector("\(weights)_scale", extent))
    }
    let rows = x.quantizedRows(scaling: .factor, group: format.subBlockElements)
    return rows.matmul(w, layout: layout, scaleType: format.number == nil ? .f32 : .f16)
  }

  /// activation(x · gate) · (x · up).
  func gated(_ x: Tensor, by activation: Activation = .silu, _ extent: Int) -> Tensor {
    let gate = linear(x, "w_gate", to: extent)
    let up = linear(x, "w_up", to: extent)
    return returned(returned(activation(gate)) * up)
  }
}
