import NormGenIR

extension TextFunction {
  /// Every function that the text form knows without registration.
  static let library: [String: TextFunction] = {
    var table: [String: TextFunction] = [:]
    for function in primitives + norms + channelNorms + Activation.named.map({ TextFunction($0) }) {
      table[function.name] = function
    }
    return table
  }()

  private static let primitives: [TextFunction] =
    ElementwiseOp.allCases.compactMap { op in
      guard let name = op.functionName, op != .selectGreater else { return nil }
      return TextFunction(name) { arguments throws(TextArgumentError) in
        var operands: [Tensor] = []
        for _ in 0..<op.arity { operands.append(try arguments.tensor()) }
        return .apply(op, operands)
      }
    }
    + DType.allCases.map { type in
      TextFunction(type.rawValue) { arguments throws(TextArgumentError) in
        let x = try arguments.tensor()
        guard type.holdsFractions else { return x.rounded(to: type) }
        let choices = Overflow.allCases.map { ($0.rawValue, $0) }
        return x.rounded(
          to: type, overflow: try arguments.choice("overflow", of: choices) ?? .unsaturated)
      }
    }
    + Reduction.allCases.map { reduction in
      TextFunction(GraphPrinter.functionName(of: reduction)) {
        arguments throws(TextArgumentError) in
        let term = try arguments.tensor()
        return term.statistic(reduction, try arguments.window(), #fileID, #line)
      }
    }
    + RowSum.Aggregate.allCases.map { aggregate in
      TextFunction(RowSum(aggregate, keeping: 1).functionName) {
        arguments throws(TextArgumentError) in
        let term = try arguments.tensor()
        let kept = try arguments.optionalWholeNumber("keep")
        return term.rowSum(aggregate, kept, SourceLocation(fileID: #fileID, line: #line))
      }
    }
    + [
      TextFunction("outer_sum") { arguments throws(TextArgumentError) in
        let x = try arguments.tensor()
        return x.outerSum(with: try arguments.tensor())
      },
      TextFunction("dequantize") { arguments throws(TextArgumentError) in
        let bytes = try arguments.tensor()
        if let scale = try arguments.tensor("scale") {
          return bytes.dequantized(
            scale: scale, zeroPoint: try arguments.tensor("zero"),
            group: try arguments.optionalWholeNumber("group"))
        }
        let format = try arguments.requiredChoice(
          "format", of: BlockFormat.all.map { ($0.name, $0) },
          described: BlockFormat.expectedNames + "; integers need 'scale:' instead")
        return bytes.dequantized(from: format)
      },
      TextFunction("columns") { arguments throws(TextArgumentError) in
        let operand = try arguments.tensor()
        let start = try arguments.wholeNumber("from")
        let count = try arguments.wholeNumber("count")
        let (end, overflow) = start.addingReportingOverflow(count)
        guard !overflow else {
          throw TextArgumentError("\(count) columns from \(start) on are too many", label: "count")
        }
        return operand.columns(start..<end)
      },
      TextFunction("concatenate") { arguments throws(TextArgumentError) in
        .concatenate(try arguments.tensors())
      },
      TextFunction("leading_part") { arguments throws(TextArgumentError) in
        let operand = try arguments.tensor()
        let count = try arguments.wholeNumber("count")
        return operand.leadingPart(count, of: try arguments.wholeNumber("of"))
      },
      TextFunction("matmul") { arguments throws(TextArgumentError) in
        let x = try arguments.tensor()
        let weights = try arguments.tensor()
        let layouts = Matmul.WeightLayout.allCases.map { ($0.rawValue, $0) }
        let accumulations = Matmul.Accumulation.allCases.map { ($0.rawValue, $0) }
        return x.matmul(
          weights, layout: try arguments.choice("layout", of: layouts) ?? .inOut,
          accumulate: try arguments.choice("accumulate", of: accumulations) ?? .fused,
          scale: try arguments.tensor("scale"))
      },
    ]

  private static let norms: [TextFunction] = [
    TextFunction("rms_norm") { arguments throws(TextArgumentError) in
      try rmsNormalization(&arguments).output
    },
    TextFunction("rms_norm_inverse") { arguments throws(TextArgumentError) in
      try rmsNormalization(&arguments).inverseDeviation
    },
    TextFunction("layer_norm") { arguments throws(TextArgumentError) in
      try layerNormalization(&arguments).output
    },
    TextFunction("layer_norm_inverse") { arguments throws(TextArgumentError) in
      try layerNormalization(&arguments).inverseDeviation
    },
    TextFunction("l2_norm") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      let placements = RMSNormSemantics.EpsilonPlacement.allCases.map { ($0.rawValue, $0) }
      return x.l2Norm(
        gain: try arguments.tensor("gain"),
        epsilon: try arguments.number("epsilon") ?? 1e-12,
        epsilonPlacement: try arguments.choice("placement", of: placements) ?? .maximum,
        statistics: try arguments.window(), range: try range(&arguments))
    },
    TextFunction("quantize_rows") { arguments throws(TextArgumentError) in
      try rowQuantization(&arguments).values
    },
    TextFunction("quantize_rows_scale") { arguments throws(TextArgumentError) in
      try rowQuantization(&arguments).scale
    },
    TextFunction("add_residual") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      let residual = try arguments.tensor()
      let modes = ResidualMode.allCases.map { ($0.rawValue, $0) }
      return x.adding(residual: residual, mode: try arguments.requiredChoice("mode", of: modes))
    },
    TextFunction("leaky_relu") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      return x.leakyReLU(slope: try arguments.number("slope") ?? 0.01)
    },
  ]

  private static func rmsNormalization(
    _ arguments: inout TextArguments
  ) throws(TextArgumentError) -> Normalization {
    let x = try arguments.tensor()
    let presets = RMSNormSemantics.named.map { ($0.key, $0.value) }
    return x.rmsNormalization(
      gain: try arguments.tensor("gain"), shift: try arguments.tensor("shift"),
      epsilon: try arguments.number("epsilon") ?? 1e-6, statistics: try arguments.window(),
      range: try range(&arguments),
      semantics: try arguments.choice("semantics", of: presets) ?? .fused)
  }

  /// The range of a norm's statistics from `range:`.
  static func range(
    _ arguments: inout TextArguments
  ) throws(TextArgumentError) -> StatisticRange {
    let ranges = StatisticRange.allCases.map { ($0.rawValue, $0) }
    return try arguments.choice("range", of: ranges) ?? .plain
  }

  private static func rowQuantization(
    _ arguments: inout TextArguments
  ) throws(TextArgumentError) -> RowQuantization {
    let x = try arguments.tensor()
    let scalings = RowQuantization.Scaling.allCases.map { ($0.rawValue, $0) }
    return x.quantizedRows(
      scaling: try arguments.choice("scaling", of: scalings) ?? .division,
      group: try arguments.optionalWholeNumber("group"))
  }

  private static func layerNormalization(
    _ arguments: inout TextArguments
  ) throws(TextArgumentError) -> Normalization {
    let x = try arguments.tensor()
    let presets = LayerNormSemantics.named.map { ($0.key, $0.value) }
    return x.layerNormalization(
      gain: try arguments.tensor("gain"), shift: try arguments.tensor("shift"),
      epsilon: try arguments.number("epsilon") ?? 1e-5, statistics: try arguments.window(),
      range: try range(&arguments),
      semantics: try arguments.choice("semantics", of: presets) ?? .fused)
  }
}
