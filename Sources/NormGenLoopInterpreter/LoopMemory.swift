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

  /// What of the memory somebody may touch: some columns of rows.
  struct Window {
    /// The columns, counted from an element on by rows of a stride.
    let columns: Range<Int>
    let origin: Int
    let stride: Int

    /// All of a memory.
    static func all(of memory: LoopMemory) -> Window {
      Window(columns: 0..<memory.columns, origin: 0, stride: memory.stride)
    }

    /// Fewer columns of the same rows.
    func columns(_ columns: Range<Int>) -> Window {
      Window(columns: columns, origin: origin, stride: stride)
    }

    /// The column of an element.
    func column(of element: Int) -> Int {
      let distance = (element - origin) % max(stride, 1)
      return distance < 0 ? distance + stride : distance
    }
  }

  /// Whether all of it is one row: who is given it may see rows of any stride there.
  var isOneRow: Bool { elements.count == stride && columns == stride }

  /// The reason why the elements from `first` on may not be touched through a window; nil if they may.
  private func refusal(_ first: Int, _ count: Int, _ window: Window) -> String? {
    let place = "elements \(first)..<\(first + count) of '\(name)'"
    guard first >= 0, first + count <= elements.count else {
      return "\(place), which has \(elements.count)"
    }
    let column = window.column(of: first)
    guard window.columns.contains(column), column + count <= window.columns.upperBound else {
      return "\(place), beyond columns \(window.columns) of a row of \(window.stride)"
    }
    return nil
  }

  /// `count` elements from `first` on, of one row of a window.
  func read(_ first: Int, _ count: Int, _ window: Window) throws(MemoryError) -> [Float] {
    if let refusal = refusal(first, count, window) {
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

  /// Stores values that the storage type holds, in one row of a window.
  mutating func write(
    _ values: [Float], at first: Int, _ window: Window
  ) throws(MemoryError) {
    if let refusal = refusal(first, values.count, window) {
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
