import NormGenIR

/// Puts the gradients of columns of one value together: +0 where no column was taken, sums where
/// several were.
enum ColumnGradients {
  /// The gradient of some columns.
  struct Part {
    /// The first column.
    let start: Int
    /// A value with rows whose last axis has an element for each of the columns.
    let gradient: Tensor

    var range: Range<Int> { start..<start + gradient.shape.rowExtent }
  }

  /// The gradient of the whole row of `extent` elements.
  static func joined(_ parts: [Part], extent: Int) -> Tensor {
    if let error = parts.lazy.map(\.gradient).first(where: { $0.node.error != nil }) {
      return error
    }
    let limits = Set([0, extent] + parts.flatMap { [$0.range.lowerBound, $0.range.upperBound] })
    let ordered = limits.sorted()
    let places = Dictionary(uniqueKeysWithValues: zip(ordered, ordered.indices))
    /// The parts over each piece, in order.
    var covers = [[Part]](repeating: [], count: ordered.count)
    for part in parts {
      let range = part.range
      guard let first = places[range.lowerBound], let end = places[range.upperBound] else {
        continue
      }
      for piece in first..<end { covers[piece].append(part) }
    }
    let pieces = zip(ordered, ordered.dropFirst()).enumerated().map { place, limits -> Tensor in
      let (start, end) = limits
      let covering = covers[place].map { part in
        part.gradient.columns(start - part.start..<end - part.start)
      }
      let sum = covering.dropFirst().reduce(covering.first) { sum, piece in
        sum.map { $0 + piece }
      }
      return sum ?? zeros(end - start, beside: parts[0].gradient)
    }
    return pieces.count == 1 ? pieces[0] : .concatenate(pieces)
  }

  private static func zeros(_ count: Int, beside gradient: Tensor) -> Tensor {
    let zeros = Tensor.constant(0).leadingPart(count, of: count)
    let outer = gradient.shape.outerExtents
    guard !outer.isEmpty else { return zeros }
    // Rows with several axes: the same for each row of them.
    let axes = Shape(hasRows: false, extents: outer + [count])
    return Tensor.constant(0).leadingPart(axes.elementsPerRow, of: axes.elementsPerRow)
      .reshaped(to: axes)
  }
}
