extension TextFunction {
  /// The norms that see weights, or rows as channels and positions.
  static let channelNorms: [TextFunction] = [
    TextFunction("weight_norm") { arguments throws(TextArgumentError) in
      let weights = try arguments.tensor()
      return weights.weightNorm(gain: try arguments.tensor("gain"))
    },
    TextFunction("batch_norm") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      return x.batchNorm(
        mean: try arguments.requiredTensor("mean"),
        variance: try arguments.requiredTensor("variance"), gain: try arguments.tensor("gain"),
        shift: try arguments.tensor("shift"), epsilon: try arguments.number("epsilon") ?? 1e-5)
    },
    TextFunction("batch_mean") { arguments throws(TextArgumentError) in
      try arguments.tensor().batchMean()
    },
    TextFunction("batch_variance") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      return x.batchVariance(mean: try arguments.requiredTensor("mean"))
    },
    TextFunction("group_norm") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      return x.groupNorm(
        groups: try arguments.wholeNumber("groups"), gain: try arguments.tensor("gain"),
        shift: try arguments.tensor("shift"), epsilon: try arguments.number("epsilon") ?? 1e-5,
        range: try range(&arguments))
    },
    TextFunction("instance_norm") { arguments throws(TextArgumentError) in
      let x = try arguments.tensor()
      return x.instanceNorm(
        gain: try arguments.tensor("gain"), shift: try arguments.tensor("shift"),
        epsilon: try arguments.number("epsilon") ?? 1e-5, range: try range(&arguments))
    },
  ]
}
