import NormGen
import Testing

/// The oracle against the textbook: a wrong definition that the DSL and the oracle share shows.
@Suite struct TextbookTests {
  typealias Definition =
    @Sendable (
      Textbook.Row, Textbook.Row, Double, Int, Textbook.Format, Textbook.Format
    ) -> Textbook.Row
  typealias LayerDefinition =
    @Sendable (Textbook.Row, Textbook.Row, Textbook.Row, Double, Textbook.Format) -> Textbook.Row

  static let rms: [String: Definition] = [
    "fused": Textbook.plain, "llama": Textbook.llama, "gemma": Textbook.gemma,
    "torch": Textbook.plain, "onnx": Textbook.onnx, "paper_torch": Textbook.paperTorch,
    "paper_tensorflow": Textbook.plain, "t5": Textbook.t5, "ggml": Textbook.plain,
  ]

  static let layer: [String: LayerDefinition] = [
    "fused": Textbook.layer, "torch": Textbook.layer, "onnx": Textbook.onnxLayer,
    "onednn": Textbook.layer, "paper": Textbook.layer,
  ]

  /// What frameworks normalize: integers are quantized values.
  static let fractions: [DType] = DType.allCases.filter(\.holdsFractions)

  static let types: [(DType, DType)] = fractions.flatMap { input in
    fractions.map { (input, $0) }
  }

  private func format(_ type: DType) -> Textbook.Format {
    switch type {
    case .f32: .single
    case .bf16: .brain
    case .f16: .half
    case .i8: .byte
    case .u8: .unsignedByte
    case .f8E4M3: .quarterE4M3
    case .f8E5M2: .quarterE5M2
    }
  }

  /// Compares the oracle's first output with the textbook's rows.
  private func compare(
    _ kernel: Kernel, rows: Int = 3, _ comment: String,
    _ textbook: ([String: HostTensor], _ row: Int) -> (
      values: Textbook.Row, format: Textbook.Format
    )
  ) throws {
    let graph = try kernel.graph()
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 7)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)[0]
    let extent = oracle.count / rows
    for row in 0..<rows {
      let (values, format) = textbook(inputs, row)
      #expect(format == self.format(graph.outputs[0].storage), "\(comment)")
      try #require(values.count == extent)
      for (column, value) in values.enumerated() {
        let bounded = oracle[row * extent + column]
        #expect(!bounded.isVacuous)
        guard abs(value - bounded.value) > bounded.error, value != bounded.value else { continue }
        Issue.record("\(comment), row \(row), element \(column): \(value) is not \(bounded)")
        return
      }
    }
  }

  private func row(_ tensor: HostTensor?, _ row: Int) -> Textbook.Row {
    guard let tensor else { return [] }
    let extent = tensor.shape.last ?? 1
    let start = tensor.shape.count > 1 ? row * extent : 0
    return (0..<extent).map { tensor[start + $0] }
  }

  @Test func everyPresetIsInTheTextbook() {
    #expect(Set(Self.rms.keys) == Set(RMSNormSemantics.named.map(\.key)))
    #expect(Set(Self.layer.keys) == Set(LayerNormSemantics.named.map(\.key)))
  }

  @Test(arguments: RMSNormSemantics.named.map(\.key))
  func rmsNormPresetIsTheTextbooks(name: String) throws {
    let semantics = try #require(RMSNormSemantics.named.first { $0.key == name }).value
    let definition = try #require(Self.rms[name])
    for (type, gainType) in Self.types {
      for extent in [1, 2, 65, 300] {
        for window in [StatisticWindow.all, .leading(count: (extent + 2) / 3)] {
          for epsilon in [0.8765, 1e-6] as [Float] {
            let x = Tensor.input("x", [.rows, .fixed(extent)], type)
            let gain = Tensor.input("gain", [.fixed(extent)], gainType)
            let y = x.rmsNorm(
              gain: gain, epsilon: epsilon, statistics: window, semantics: semantics)
            let output = definedType(name, type, gainType)
            try compare(Kernel("k", y), "\(name) \(type) \(gainType) \(extent) \(window)") {
              (
                definition(
                  row($0["x"], $1), row($0["gain"], $1), Double(epsilon),
                  window == .all ? extent : (extent + 2) / 3, format(type), format(gainType)),
                output
              )
            }
          }
        }
      }
    }
  }

  /// The type that a framework's norm returns.
  private func definedType(_ name: String, _ type: DType, _ gainType: DType) -> Textbook.Format {
    switch name {
    case "llama": Textbook.promoted(format(type), format(gainType))
    case "t5": format(gainType)
    default: format(type)
    }
  }

  @Test(arguments: LayerNormSemantics.named.map(\.key), [true, false])
  func layerNormPresetIsTheTextbooks(name: String, hasShift: Bool) throws {
    let semantics = try #require(LayerNormSemantics.named.first { $0.key == name }).value
    let definition = try #require(Self.layer[name])
    for (type, gainType) in Self.types {
      for extent in [2, 3, 65, 300] {
        for epsilon in [0.8765, 1e-5] as [Float] {
          let x = Tensor.input("x", [.rows, .fixed(extent)], type)
          let gain = Tensor.input("gain", [.fixed(extent)], gainType)
          let shift = hasShift ? Tensor.input("shift", [.fixed(extent)], gainType) : nil
          let y = x.layerNorm(gain: gain, shift: shift, epsilon: epsilon, semantics: semantics)
          let zeros = [Double](repeating: 0, count: extent)
          try compare(Kernel("k", y), "\(name) \(type) \(gainType) \(extent)") {
            (
              definition(
                row($0["x"], $1), row($0["gain"], $1),
                hasShift ? row($0["shift"], $1) : zeros, Double(epsilon), format(type)),
              format(type)
            )
          }
        }
      }
    }
  }

  @Test(arguments: TextbookTests.fractions)
  func l2NormIsTheTextbooks(type: DType) throws {
    for extent in [1, 17, 300] {
      for epsilon in [1e-12, 40] as [Float] {
        let x = Tensor.input("x", [.rows, .fixed(extent)], type)
        try compare(Kernel("k", x.l2Norm(epsilon: epsilon)), "l2 \(extent)") {
          (Textbook.l2(row($0["x"], $1), Double(epsilon), format(type)), format(type))
        }
      }
    }
  }

  @Test(arguments: TextbookTests.fractions)
  func weightNormIsTheTextbooks(type: DType) throws {
    for extent in [1, 17, 300] {
      let w = Tensor.input("w", [.rows, .fixed(extent)], type)
      let gain = Tensor.input("gain", [.rows, 1], type)
      try compare(Kernel("k", w.weightNorm(gain: gain)), "weight norm \(extent)") {
        (
          Textbook.weightNorm(row($0["w"], $1), row($0["gain"], $1)[0], format(type)),
          format(type)
        )
      }
    }
  }

  /// Six channels of 40 positions.
  private func channels(_ inputs: [String: HostTensor], _ sample: Int) -> [Textbook.Row] {
    let elements = inputs["x"]?.doubles ?? []
    return Textbook.rows(of: elements, extent: 40).dropFirst(sample * 6).prefix(6).map { $0 }
  }

  @Test(arguments: TextbookTests.fractions)
  func channelNormsAreTheTextbooks(type: DType) throws {
    let x = Tensor.input("x", [.rows, 6, 40], type)
    func perChannel(_ name: String) -> Tensor { .input(name, [6, 1], type) }
    let epsilon: Float = 0.8765
    let norms: [(Int, Tensor)] = [
      (6, x.instanceNorm(gain: perChannel("gain"), shift: perChannel("shift"), epsilon: epsilon)),
      (3, x.groupNorm(groups: 3, epsilon: epsilon)), (1, x.groupNorm(groups: 1, epsilon: epsilon)),
    ]
    for (groups, norm) in norms {
      try compare(Kernel("k", norm), "\(groups) groups") { inputs, sample in
        let rows = Textbook.groupNorm(
          channels(inputs, sample), groups: groups,
          inputs["gain"]?.doubles ?? [Double](repeating: 1, count: 6),
          inputs["shift"]?.doubles ?? [Double](repeating: 0, count: 6), Double(epsilon),
          format(type))
        return (rows.flatMap { $0 }, format(type))
      }
    }
    let batch = x.batchNorm(
      mean: perChannel("mean"), variance: perChannel("variance"), gain: perChannel("gain"),
      shift: perChannel("shift"), epsilon: epsilon)
    try compare(Kernel("k", batch), "batch") { inputs, sample in
      let rows = channels(inputs, sample).enumerated().map { channel, row in
        func parameter(_ name: String) -> Double { inputs[name]?[channel] ?? .nan }
        return Textbook.batchNorm(
          row, mean: parameter("mean"), variance: parameter("variance"), parameter("gain"),
          parameter("shift"), Double(epsilon), format(type))
      }
      return (rows.flatMap { $0 }, format(type))
    }
  }

  @Test(arguments: TextbookTests.fractions)
  func residualModesAreTheTextbooks(type: DType) throws {
    let x = Tensor.input("x", [.rows, 65], type)
    let residual = Tensor.input("residual", [.rows, 65], type)
    let gain = Tensor.input("gain", [65], type)
    let sum = x + residual
    for roundsSum in [true, false] {
      let hidden = roundsSum ? sum.rounded(to: type) : sum
      try compare(Kernel("k", hidden.rmsNorm(gain: gain, epsilon: 0.8765)), "residual \(type)") {
        let total = Textbook.sum(row($0["x"], $1), row($0["residual"], $1))
        let added = roundsSum ? Textbook.cast(total, format(type)) : total
        return (
          Textbook.plain(
            added, row($0["gain"], $1), Double(Float(0.8765)), 65, format(type), format(type)),
          format(type)
        )
      }
    }
  }

  @Test(arguments: TextbookTests.fractions)
  func quantizationIsTheTextbooks(type: DType) throws {
    for scaling in RowQuantization.Scaling.allCases {
      for extent in [1, 17, 300] {
        let x = Tensor.input("x", [.rows, .fixed(extent)], type)
        let values = x.quantizedRows(scaling: scaling).values
        try compare(Kernel("k", values), "\(scaling) of \(extent) \(type)") {
          (Textbook.quantized(row($0["x"], $1)), .byte)
        }
      }
    }
  }

  @Test func activationsAreTheTextbooks() throws {
    let x = Tensor.input("x", [.rows, 300], .f32)
    let cases: [(String, Tensor, @Sendable (Double) -> Double)] = [
      ("relu", x.relu(), { max($0, 0) }),
      ("leaky relu", x.leakyReLU(slope: 0.25), { $0 > 0 ? $0 : $0 / 4 }),
      ("sigmoid", x.sigmoid(), { 1 / (1 + Textbook.exponential(-$0)) }),
      ("tanh", x.tanh(), Textbook.hyperbolicTangent), ("silu", x.silu(), Textbook.silu),
      ("gelu", x.gelu(), Textbook.gelu), ("gelu tanh", x.geluTanh(), Textbook.geluTanh),
    ]
    for (name, tensor, definition) in cases {
      try compare(Kernel("k", tensor), name) { (row($0["x"], $1).map(definition), .single) }
    }
  }

  @Test func textbookRoundsAsTheHalfTypesDo() {
    let brain: [(Double, Double)] = [
      (1, 1), (0x1.01p0, 1), (0x1.03p0, 0x1.04p0), (0x1.010000001p0, 0x1.02p0),
      (-0x1.03p0, -0x1.04p0),
      (0x1.fep127, 0x1.fep127), (0x1.ff8p127, .infinity), (0x1p-134, 0), (0x1.8p-133, 0x1p-132),
    ]
    let half: [(Double, Double)] = [
      (65504, 65504), (65519.9, 65504), (65520, .infinity), (0x1p-25, 0), (0x1.8p-24, 0x1p-23),
      (2049, 2048), (2051, 2052), (-0.1, -0.0999755859375),
    ]
    let byte: [(Double, Double)] = [
      (0.5, 0), (1.5, 2), (-0.5, 0), (-2.5, -2), (126.5, 126), (127.5, 127), (-128.6, -128),
      (.infinity, 127), (-1e30, -128), (.nan, 0), (0x1.00000001p-1, 1),
    ]
    let unsignedByte: [(Double, Double)] = [
      (0.5, 0), (1.5, 2), (-0.5, 0), (-0.0, 0), (-1, 0), (254.5, 254), (255.5, 255), (128.6, 129),
      (.infinity, 255), (-.infinity, 0), (.nan, 0), (0x1.00000001p-1, 1), (0x1p-149, 0),
    ]
    for (type, format, cases) in [
      (DType.i8, Textbook.Format.byte, byte), (.u8, .unsignedByte, unsignedByte),
    ] {
      for (value, nearest) in cases {
        #expect(Textbook.cast(value, format) == nearest)
        let rounded = type.rounded(value)
        #expect(rounded == nearest && (rounded.sign == .minus) == (nearest < 0))
      }
    }
    for (value, nearest) in brain { #expect(Textbook.cast(value, .brain) == nearest) }
    for (value, nearest) in half { #expect(Textbook.cast(value, .half) == nearest) }
  }

  /// Without an infinity NaN is what lies beyond the range.
  @Test func textbookRoundsAsTheEightBitFloatsDo() {
    let e4m3: [(Double, Double)] = [
      (448, 448), (464, 448), (464.1, .nan), (-1e9, .nan), (.infinity, .nan), (240, 240), (17, 16),
      (19, 20), (0x1p-10, 0), (0x1.8p-9, 0x1p-8), (0x1.1p-10, 0x1p-9), (-0x1p-9, -0x1p-9),
    ]
    let e5m2: [(Double, Double)] = [
      (57344, 57344), (61439, 57344), (61440, .infinity), (-.infinity, -.infinity), (9, 8),
      (11, 12), (0x1p-17, 0), (0x1.8p-16, 0x1p-15), (-0x1.1p-17, -0x1p-16),
    ]
    for (type, format, cases) in [
      (DType.f8E4M3, Textbook.Format.quarterE4M3, e4m3), (.f8E5M2, .quarterE5M2, e5m2),
    ] {
      for (value, nearest) in cases {
        let found = [Textbook.cast(value, format), type.rounded(value)]
        #expect(found.allSatisfy { $0 == nearest || $0.isNaN && nearest.isNaN }, "\(value)")
      }
      #expect(type.rounded(-0.0).sign == .minus && type.rounded(-0x1p-40).sign == .minus)
    }
  }
}
