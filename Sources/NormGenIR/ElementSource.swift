/// Where the elements of a value come from whose operation only moves them: a reshape, columns, a
/// concatenation or a leading part.
public struct ElementSource: Sendable {
  /// Columns of the value that stand side by side in one operand.
  private struct Part {
    let operand: ValueID
    let columns: Range<Int>
    /// The operand's column in the first of them.
    let start: Int
    /// The operand's columns; one alone is repeated.
    let extent: Int
    /// How many rows of so many columns it has, if each row of the value sees the same ones.
    let groups: Int?
  }

  private let extent: Int
  /// In the order of their columns.
  private let parts: [Part]

  /// The source of a value's elements; nil if they are computed.
  public init?(of id: ValueID, in graph: Graph) {
    let node = graph[id]
    extent = node.shape.rowExtent
    func part(
      _ operand: ValueID, _ columns: Range<Int>, start: Int = 0, extent: Int? = nil
    ) -> Part {
      let shape = graph[operand].shape
      let extent = extent ?? shape.rowExtent
      return Part(
        operand: operand, columns: columns, start: start, extent: extent,
        groups: shape.hasRows ? nil : shape.elementsPerRow / extent)
    }
    switch node.op {
    case .reshape:
      parts = [part(node.operands[0], 0..<extent, extent: extent)]
    case .columns(let start, let count):
      parts = [part(node.operands[0], 0..<count, start: start)]
    case .concatenate:
      var end = 0
      parts = node.operands.map { operand in
        let first = end
        end += graph[operand].shape.rowExtent
        return part(operand, first..<end)
      }
    case .leadingPart(let count, _):
      parts = [part(node.operands[0], 0..<count)]
    case .input, .constant, .dequantize, .elementwise, .statistic, .convert, .matmul, .rowSum,
      .outerSum:
      return nil
    }
  }

  /// The element of an operand, by its row-major position, that stands at a row-major position of the
  /// value; nil for the +0 behind a leading part.
  public subscript(position: Int) -> (operand: ValueID, position: Int)? {
    let (group, column) = position.quotientAndRemainder(dividingBy: extent)
    // The last part that begins up to the column.
    var (low, high) = (0, parts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if parts[middle].columns.lowerBound <= column { low = middle } else { high = middle }
    }
    let part = parts[low]
    guard part.columns.contains(column) else { return nil }
    let row = part.groups.map { group % $0 } ?? group
    let offset = part.extent == 1 ? 0 : part.start + column - part.columns.lowerBound
    return (part.operand, row * part.extent + offset)
  }
}
