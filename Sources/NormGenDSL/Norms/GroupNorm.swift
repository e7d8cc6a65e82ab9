import NormGenIR

extension Tensor {
  /// Normalization of groups of channels by mean and deviation over the group's channels and
  /// positions (Wu and He 2018).
  ///
  /// The value has shape [rows, channels, ...]; what follows the channels are positions, such as
  /// height · width. Variance is biased and centred, gain and shift are one fused multiply-add.
  ///
  /// A kernel sees its rows one way, here as [groups, channels/groups · positions]. So gain and
  /// shift of one number for each channel need as many groups as channels (``instanceNorm(gain:shift:epsilon:range:fileID:line:)``)
  /// or a value without positions; else give them for each element.
  ///
  /// - Parameters:
  ///   - groups: The number of groups; must divide the channels.
  ///   - gain: Multiplies the normalized value; an element for each of the row's, such as shape
  ///     [channels, positions]; with a group for each channel also [channels, 1].
  ///   - shift: Added at the end; of the same shapes.
  ///   - epsilon: Added to the variance before the root; finite, at least 0.
  ///   - range: `.scaled` takes the statistics of groups of any size without overflow.
  public func groupNorm(
    groups: Int, gain: Tensor? = nil, shift: Tensor? = nil, epsilon: Float = 1e-5,
    range: StatisticRange = .plain, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    if node.error != nil { return self }
    if let error = numberError(epsilon, "epsilon", of: "group_norm", fileID, line) {
      return Tensor(failed: error)
    }
    let channels = shape.extents.first ?? 1
    guard groups >= 1, channels % groups == 0 else {
      return Tensor(
        failed: GraphError(
          .shape(.channelsNotInGroups(groups, shape)),
          at: SourceLocation(fileID: fileID, line: line)))
    }
    let rows: [Extent] = shape.hasRows ? [.rows] : []
    let grouped = reshaped(
      rows + [.fixed(groups), .fixed(shape.elementsPerRow / groups)], fileID: fileID, line: line)
    return Tensor.composed("group_norm", fileID, line) {
      let normed = grouped.layerNorm(epsilon: epsilon, range: range, fileID: fileID, line: line)
      let value = normed.reshaped(
        rows + shape.extents.map { .fixed($0) }, fileID: fileID, line: line)
      let result: Tensor
      switch (gain, shift) {
      case (let gain?, let shift?): result = value.multiplyAdd(gain, shift)
      case (let gain?, nil): result = value * gain
      case (nil, let shift?): result = value + shift
      case (nil, nil): result = value
      }
      return result.stored(as: storage)
    }
  }

  /// Normalization of each channel by mean and deviation over its positions (Ulyanov, Vedaldi and
  /// Lempitsky 2016): ``groupNorm(groups:gain:shift:epsilon:range:fileID:line:)`` with a group for each
  /// channel.
  ///
  /// The value has shape [rows, channels, positions], gain and shift [channels, 1].
  public func instanceNorm(
    gain: Tensor? = nil, shift: Tensor? = nil, epsilon: Float = 1e-5,
    range: StatisticRange = .plain, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    groupNorm(
      groups: shape.extents.first ?? 1, gain: gain, shift: shift, epsilon: epsilon, range: range,
      fileID: fileID, line: line)
  }
}
