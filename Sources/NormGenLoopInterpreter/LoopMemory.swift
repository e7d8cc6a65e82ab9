import NormGenIR
import NormGenLoops

/// Where elements lie that a program reads and writes: a parameter, a panel, a total or a scratch row.
struct LoopMemory {
  /// What errors call it.
  let name: String
  let storage: DType
  /// Elements of a row, and from row to row; what lies between rows belongs to nobody.
  let columns: Int
  let stride: Int
  let isWritable: Bool
  /// Whether what lies between rows may be read and written, too, as whole vectors do.
  let isPadded: Bool
  /// Each element's value, which the storage type holds; nil before it is written.
  private(set) var elements: [Float?]

  init(
    name: String, storage: DType, rows: Int, columns: Int, stride: Int, isWritable: Bool = true,
    isPadded: Bool = false
  ) {
    self.name = name
    self.storage = storage
    self.columns = columns
    self.stride = stride
    self.isWritable = isWritable
    self.isPadded = isPadded
    self.elements = [Float?](repeating: nil, count: rows * stride)
  }

  /// The reason why the elements from `first` on may not be touched by who may touch some columns; nil
  /// if they may.
  private func refusal(_ first: Int, _ count: Int, _ columns: Range<Int>) -> String? {
    let place = "elements \(first)..<\(first + count) of '\(name)'"
    guard first >= 0, first + count <= elements.count else {
      return "\(place), which has \(elements.count)"
    }
    let column = first % stride
    guard columns.contains(column), column + count <= columns.upperBound else {
      return "\(place), beyond columns \(columns) of a row of \(stride)"
    }
    return nil
  }

  /// `count` elements from `first` on, within columns of a row.
  func read(_ first: Int, _ count: Int, _ columns: Range<Int>) throws(MemoryError) -> [Float] {
    if let refusal = refusal(first, count, columns) {
      throw MemoryError(message: "reads \(refusal)")
    }
    var values: [Float] = []
    values.reserveCapacity(count)
    for place in first..<first + count {
      guard let value = elements[place] else {
        if isPadded, place % stride >= self.columns {
          // Whatever lies there: nothing that anybody asked for may depend on it.
          values.append(.nan)
          continue
        }
        throw MemoryError(message: "reads element \(place) of '\(name)' before it is written")
      }
      values.append(value)
    }
    return values
  }

  /// Stores values that the storage type holds, within columns of a row.
  mutating func write(
    _ values: [Float], at first: Int, _ columns: Range<Int>
  ) throws(MemoryError) {
    if let refusal = refusal(first, values.count, columns) {
      throw MemoryError(message: "writes \(refusal)")
    }
    guard isWritable else { throw MemoryError(message: "writes the input '\(name)'") }
    for (offset, value) in values.enumerated() { elements[first + offset] = value }
  }

  /// Gives up the elements.
  mutating func release() { elements = [] }

  /// The elements of its rows, gaps left out, to begin with.
  mutating func fill(_ values: [Float]) {
    for (index, value) in values.enumerated() {
      elements[index / columns * stride + index % columns] = value
    }
  }

  /// The elements of its rows, gaps left out.
  func rows() throws(MemoryError) -> [Float] {
    var values: [Float] = []
    for row in 0..<(stride > 0 ? elements.count / stride : 0) {
      for column in 0..<columns {
        guard let value = elements[row * stride + column] else {
          throw MemoryError(message: "never writes row \(row), element \(column) of '\(name)'")
        }
        values.append(value)
      }
    }
    return values
  }
}

/// An access that the program may not make.
struct MemoryError: Error {
  let message: String
}
