import NormGenIR
import NormGenLoops
import NormGenReference

/// Runs the statements of one row program, lane by lane.
struct RowMachine {
  /// A parameter, or what stands for one: a memory, where in it the first row begins, and the columns
  /// of its rows that belong to it.
  struct Place {
    let memory: Int
    let offset: Int
    let columns: Range<Int>
  }

  private let kernel: LoopKernel
  /// All memories of the program, scratch rows behind them.
  private(set) var memories: [LoopMemory]
  private let strides: [String: Int]
  private let ownScratch: Int
  private let rows: Int
  private let tileNames: Set<String>
  private var pointers: [String: Place]
  private var indices: [String: Int] = [:]
  private var values: [String: [Float]] = [:]
  private var partials: [String: [Float]] = [:]
  private var groups: [String: [Int: [Float]]] = [:]
  /// The first row of the tile, and the rows in it.
  private var first = 0
  private var tile = 1

  /// - Parameters:
  ///   - places: Where each of the kernel's buffers lies.
  ///   - strides: The elements from row to row of each buffer.
  init(
    _ kernel: LoopKernel, rows: Int, memories: [LoopMemory], places: [String: Place],
    strides: [String: Int]
  ) {
    self.kernel = kernel
    self.rows = rows
    self.memories = memories
    self.strides = strides
    self.ownScratch = memories.count
    self.pointers = places
    self.tileNames = kernel.tileGroups.union(kernel.tileScalars)
  }

  /// Handles all rows: whole tiles, then row by row.
  mutating func run() throws(MemoryError) {
    let places = pointers
    while first < rows {
      tile = first + kernel.tile <= rows ? kernel.tile : 1
      indices = [LoopIndex.row: first]
      pointers = places
      values = [:]
      partials = [:]
      groups = [:]
      memories.removeLast(memories.count - ownScratch)
      try run(kernel.row)
      first += tile
    }
    memories.removeLast(memories.count - ownScratch)
  }

  // MARK: Statements

  private mutating func run(_ statements: [Stmt]) throws(MemoryError) {
    for statement in statements { try run(statement) }
  }

  private mutating func run(_ statement: Stmt) throws(MemoryError) {
    switch statement {
    case .comment: break
    case .pointer(let pointer, let buffer, let offset):
      let base = try place(buffer)
      pointers[pointer.name] = Place(
        memory: base.memory, offset: base.offset + (try value(offset)), columns: base.columns)
    case .scratch(let pointer, let count):
      pointers[pointer.name] = Place(memory: memories.count, offset: 0, columns: 0..<count)
      memories.append(
        LoopMemory(
          name: pointer.name, storage: .f32, rows: 1, columns: count, stride: count))
    case .partials(let name, let reduction):
      partials[name] = [Float](
        repeating: ExactArithmetic.identity(of: reduction), count: SumOrder.partials)
    case .define(let name, let expression), .variable(let name, let expression),
      .assign(let name, let expression):
      values[key(name)] = try value(expression)
    case .loop(let index, let from, let to, let step, let body):
      for position in stride(from: try value(from), to: try value(to), by: step) {
        indices[index] = position
        try run(body)
      }
      indices[index] = nil
    case .rows(let body):
      for row in first..<first + tile {
        indices[LoopIndex.row] = row
        try run(body)
      }
      indices[LoopIndex.row] = first
    case .block(_, let body): try run(body)
    case .accumulate(let name, let slot, let reduction, let terms, let lanes):
      try accumulate(name, try value(slot), reduction, terms, lanes)
    case .store(let pointer, let index, let expression, let lanes):
      let vector = try vector(expression)
      try store(pointer, try value(index), Array(vector.prefix(count(lanes))))
    case .group(let name):
      for row in first..<first + tile { groups[key(name, row: row)] = [:] }
    case .setGroup(let name, let slot, let expression):
      let (group, position) = (key(name), try value(slot))
      guard groups[group] != nil else {
        throw MemoryError(message: "sets a slot of '\(name)', which is not there")
      }
      let lanes = try vector(expression)
      groups[group]?[position] = lanes
    case .storeGroup(let pointer, let index, let name):
      var all: [Float] = []
      for slot in 0..<Partials.vectors(lanes: kernel.lanes) {
        guard let vector = groups[key(name)]?[slot] else {
          throw MemoryError(message: "stores the group '\(name)' without slot \(slot)")
        }
        all += vector
      }
      try store(pointer, try value(index), all)
    case .nextRow:
      let row = indices[LoopIndex.row] ?? first
      indices[LoopIndex.next] = row + tile < rows ? row + tile : row
    case .prefetch(let pointer, let index):
      // Nothing is read; what is asked for must be a place of the parameter all the same.
      let place = try place(pointer.name)
      let element = place.offset + (try value(index))
      guard memories[place.memory].elements.indices.contains(element) else {
        throw MemoryError(message: "asks for element \(element) of '\(pointer.name)'")
      }
    case .storeScalar(let pointer, let index, let expression):
      try store(pointer, try value(index), try value(expression))
    }
  }

  private mutating func accumulate(
    _ name: String, _ slot: Int, _ reduction: Reduction, _ terms: [LoopExpr], _ lanes: Lanes
  ) throws(MemoryError) {
    var factors: [[Float]] = []
    for term in terms { factors.append(try vector(term)) }
    guard var sums = partials[name] else {
      throw MemoryError(message: "accumulates into '\(name)', which is not there")
    }
    for lane in 0..<count(lanes) {
      let place = slot * kernel.lanes + lane
      if factors.count == 2 {
        sums[place].addProduct(factors[0][lane], factors[1][lane])
      } else {
        sums[place] = ExactArithmetic.combined(
          sums[place], factors[0][lane], by: reduction)
      }
    }
    partials[name] = sums
  }

  private mutating func store(
    _ pointer: Pointer, _ index: Int, _ values: [Float]
  ) throws(MemoryError) {
    let place = try place(pointer.name)
    let storage = memories[place.memory].storage
    try memories[place.memory].write(
      values.map { ExactArithmetic.rounded($0, to: storage) }, at: place.offset + index,
      place.columns)
  }

  // MARK: Names

  private func place(_ name: String) throws(MemoryError) -> Place {
    guard let place = pointers[name] else {
      throw MemoryError(message: "uses '\(name)', which points nowhere")
    }
    return place
  }

  /// The name of a value; each row of a tile has its own of some.
  private func key(_ name: String, row: Int? = nil) -> String {
    guard tileNames.contains(name) else { return name }
    return "\(name)[\((row ?? indices[LoopIndex.row] ?? first) - first)]"
  }

  // MARK: Values

  private func count(_ lanes: Lanes) -> Int {
    switch lanes {
    case .all: kernel.lanes
    case .first(let count): count
    }
  }

  private func value(_ index: Index) throws(MemoryError) -> Int {
    switch index {
    case .constant(let value): return value
    case .variable(let name):
      guard let value = indices[name] else {
        throw MemoryError(message: "uses the index '\(name)' outside its loop")
      }
      return value
    case .stride(let buffer): return strides[buffer] ?? 0
    case .sum(let left, let right): return try value(left) + value(right)
    case .product(let left, let right): return try value(left) * value(right)
    }
  }

  /// The lanes of an expression; a scalar's value in all of them.
  private func vector(_ expression: LoopExpr) throws(MemoryError) -> [Float] {
    let lanes = try value(expression)
    return lanes.count == 1 && !expression.isVector
      ? [Float](repeating: lanes[0], count: kernel.lanes) : lanes
  }

  /// One element for a scalar, one for each lane of a vector.
  private func value(_ expression: LoopExpr) throws(MemoryError) -> [Float] {
    switch expression {
    case .vector(let name), .scalar(let name):
      guard let value = values[key(name)] else {
        throw MemoryError(message: "uses '\(name)' before it has a value")
      }
      return value
    case .constant(let value): return [value]
    case .load(let pointer, let index, let lanes):
      let place = try place(pointer.name)
      let count = count(lanes)
      let loaded = try memories[place.memory].read(
        place.offset + (try value(index)), count, place.columns)
      return loaded + [Float](repeating: 0, count: kernel.lanes - count)
    case .loadScalar(let pointer, let index):
      let place = try place(pointer.name)
      return try memories[place.memory].read(
        place.offset + (try value(index)), 1, place.columns)
    case .apply(let op, let operands):
      var all: [[Float]] = []
      for operand in operands {
        all.append(expression.isVector ? try vector(operand) : try value(operand))
      }
      return all[0].indices.map { lane in ExactArithmetic.value(of: op, all.map { $0[lane] }) }
    case .rounded(let type, let operand):
      return try value(operand).map { ExactArithmetic.rounded($0, to: type) }
    case .leading(let operand, let count):
      return try vector(operand).enumerated().map { $0.offset < count ? $0.element : 0 }
    case .combined(let reduction, let name):
      guard var tree = partials[name] else {
        throw MemoryError(message: "combines '\(name)', which is not there")
      }
      while tree.count > 1 {
        let half = tree.count / 2
        tree = (0..<half).map {
          ExactArithmetic.combined(tree[$0], tree[$0 + half], by: reduction)
        }
      }
      return tree
    }
  }
}
