import NormGen

extension GradientTests {
  /// Columns and concatenations: what packed projections and parameters need.
  static let columns: [Specimen] = packed + copies

  private static func input(_ name: String, _ axes: [Extent]) -> Tensor { .input(name, axes, .f32) }

  private static let packed: [Specimen] = [
    Specimen(jointProjection), Specimen(gruStep), Specimen(jointGates), Specimen(packedMLP),
  ]

  /// Queries, keys and values of one product; the heads of the first two have norms of their own.
  private static let jointProjection: Kernel = {
    let normed = row().rmsNorm(gain: parameter("gain"), epsilon: 0.5)
    let joint = normed.matmul(input("w", [12, 20])) + input("bias", [20])
    func heads(_ range: Range<Int>, _ gain: String) -> Tensor {
      let count = range.count / 4
      return joint.columns(range).reshaped([.rows, .fixed(count), 4])
        .rmsNorm(gain: input(gain, [4]), epsilon: 0.5)
        .reshaped([.rows, .fixed(range.count)])
    }
    return Kernel(
      "joint_projection",
      outputs: [
        "q": heads(0..<8, "gain_q"), "k": heads(8..<12, "gain_k"), "v": joint.columns(12..<20),
      ])
  }()

  /// One product of each operand for all three gates; reset and update share a norm, so that there
  /// are four.
  private static let gruStep: Kernel = {
    let h = input("h", [.rows, 4])
    let fromX = row().matmul(input("w", [12, 12])) + input("bias", [12])
    let fromH = h.matmul(input("u", [4, 12]))
    func normed(_ summed: Tensor, _ range: Range<Int>, _ gain: String) -> Tensor {
      summed.columns(range).rmsNorm(gain: input(gain, [.fixed(range.count)]), epsilon: 0.5)
    }
    let gates = (normed(fromX, 0..<8, "g_x") + normed(fromH, 0..<8, "g_h")).sigmoid()
    let (reset, update) = (gates.columns(0..<4), gates.columns(4..<8))
    let candidate = (normed(fromX, 8..<12, "g_xc") + reset * normed(fromH, 8..<12, "g_hc")).tanh()
    return Kernel("gru_step", update * h + (1 - update) * candidate)
  }()

  /// An LSTM's gates, normalized together.
  private static let jointGates: Kernel = {
    let c = input("c", [.rows, 3])
    let gates = row().matmul(input("w", [12, 12])).layerNorm(gain: parameter("gain"), epsilon: 0.5)
      .split(into: 4)
    let cell = gates[0].sigmoid() * c + gates[1].sigmoid() * gates[2].tanh()
    return Kernel(
      "joint_gates", outputs: ["cell": cell, "hidden": gates[3].sigmoid() * cell.tanh()])
  }()

  private static let packedMLP: Kernel = {
    let hidden = row().matmul(input("w", [12, 10]))
    let parts = hidden.split(into: 2)
    return Kernel(
      "packed_mlp", (parts[0].silu() * parts[1]).matmul(input("down", [5, 12])) + row())
  }()

  private static let copies: [Specimen] = {
    let x = row(), z = row("z"), p = parameter("p")
    let parts = p.split(into: 2)
    let left = x.columns(0..<6)
    return [
      Specimen("one_part", x.columns(3..<7) * z.columns(0..<4)),
      Specimen("overlapping", x.columns(0..<7) * x.columns(2..<9) * x.columns(5..<12)),
      Specimen("columns_and_row", x.columns(1..<2) * x.rmsNorm(epsilon: 0.5)),
      Specimen("columns_of_columns", x.silu().columns(2..<10).columns(1..<4) * p.columns(0..<3)),
      Specimen("single_columns", x.columns(0..<1) * x.columns(11..<12)),
      Specimen("split_bias", (left + parts[0]) * parts[1]),
      Specimen("part_of_bias", left.rmsNorm(gain: p.columns(6..<12), epsilon: 0.5)),
      Specimen("bias_whole_and_split", (x + p).columns(0..<6) * parts[1]),
      Specimen("concatenated", Tensor.concatenate([x.silu(), z]).rmsNorm(epsilon: 0.5)),
      Specimen(
        "exchanged_halves", Tensor.concatenate([-x.columns(6..<12), left]) * z + x * p),
      Specimen(
        "repeated_part", Tensor.concatenate([left, x, left.tanh()]).layerNorm(epsilon: 0.5)),
      Specimen(
        "concatenated_parameter",
        Tensor.concatenate([x, p.tanh(), Tensor.constant(0).leadingPart(3, of: 3)])
          .rmsNorm(epsilon: 0.5)),
      Specimen(
        "concatenated_statistic",
        Tensor.concatenate([x, x.mean(), z.rowMaximum()]).matmul(input("w", [14, 5]))),
      Specimen(
        "product_of_concatenation",
        Tensor.concatenate([x.matmul(input("w", [12, 4])), z]).matmul(input("v", [16, 3]))),
    ]
  }()
}
