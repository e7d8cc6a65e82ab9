import NormGenIR

extension Tensor {
  /// Consecutive elements of the last axis, such as one gate of a joint projection.
  public func columns(
    _ range: Range<Int>, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    if node.error == nil, !shape.extents.isEmpty, range == 0..<shape.rowExtent { return self }
    return Tensor.make(
      .columns(start: range.lowerBound, count: range.count), [self], storage: storage,
      location: SourceLocation(fileID: fileID, line: line))
  }

  /// The rows of tensors one behind the other along the last axis, such as the queries, keys and
  /// values of a joint projection: NumPy's `concatenate` along the last axis.
  ///
  /// All axes but the last must be the same. What has no rows stands in each row: a run of zeros is
  /// `Tensor.constant(0).leadingPart(n, of: n)`. Elements keep their bits.
  ///
  /// - Parameter parts: At least one, and one that begins with `.rows`. A number needs an axis: see
  ///   ``leadingPart(_:of:fileID:line:)``.
  public static func concatenate(
    _ parts: [Tensor], fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    make(
      .concatenate, parts, storage: DType.promoted(parts.map(\.storage)),
      location: SourceLocation(fileID: fileID, line: line))
  }

  /// The first `count` elements of a row of `extent`, +0 behind them.
  ///
  /// A number, or a tensor whose last axis has one element, is repeated, so that all of `extent`
  /// spreads one number over a row. It is what a statistic over a window gives back to its terms.
  public func leadingPart(
    _ count: Int, of extent: Int, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    if node.error == nil, !shape.extents.isEmpty, count == extent, extent == shape.rowExtent {
      return self
    }
    return Tensor.make(
      .leadingPart(count: count, extent: extent), [self], storage: storage,
      location: SourceLocation(fileID: fileID, line: line))
  }

  /// The last axis in `parts` of the same extent, such as the gates of a joint projection.
  ///
  /// An extent that `parts` does not divide is an error in each part.
  public func split(
    into parts: Int, fileID: String = #fileID, line: UInt = #line
  ) -> [Tensor] {
    guard parts >= 1 else { return [] }
    let extent = shape.rowExtent
    let count = (extent + parts - 1) / parts
    return (0..<parts).map { part in
      columns(part * count..<(part + 1) * count, fileID: fileID, line: line)
    }
  }
}
