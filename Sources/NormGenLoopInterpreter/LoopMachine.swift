import NormGenIR
import NormGenLoops
import NormGenReference

/// Runs the functions of a module, lane by lane.
struct LoopMachine {
  /// A place that elements are counted from, and what of its memory may be touched from there.
  struct Place {
    let memory: Int
    let offset: Int
    let window: LoopMemory.Window
    var isWritable = true

    /// A place some elements further on.
    func moved(by elements: Int) -> Place {
      Place(
        memory: memory, offset: offset + elements, window: window, isWritable: isWritable)
    }
  }

  /// What a call gives for a parameter.
  enum Value {
    case index(Int)
    case place(Place)
    /// A byte of the scratch memory.
    case byte(Int)
  }

  /// A part of the scratch memory that a function has given a type.
  struct Carved {
    let bytes: Range<Int>
    let storage: DType
    let memory: Int
  }

  /// What a function's names stand for.
  struct Frame {
    var scope: IndexScope
    var pointers: [String: Place] = [:]
    var bytes: [String: Int] = [:]
    var values: [String: [Float]] = [:]
    var partials: [String: [Float]] = [:]
    var arrays: [String: (extents: [Int], isScalar: Bool, entries: [[Float]?])] = [:]
    /// The scratch rows' memories.
    var scratch: [String: Int] = [:]
    /// The bytes of the scratch memory that arrays lie in.
    var lent: [String: Range<Int>] = [:]
  }

  let lanes: Int
  let functions: [String: LoopFunction]
  let scratchBytes: Int
  /// Parameters, then what functions have of their own.
  private(set) var memories: [LoopMemory]
  var carved: [Carved] = []
  var frame: Frame

  init(_ module: LoopModule, memories: [LoopMemory], scratchBytes: Int) {
    self.lanes = module.lanes
    self.functions = Dictionary(
      module.functions.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    self.scratchBytes = scratchBytes
    self.memories = memories
    self.frame = Frame(scope: module.scope)
  }

  // MARK: Functions

  /// Calls a function.
  mutating func call(_ name: String, _ arguments: [Value]) throws(MemoryError) {
    guard let function = functions[name] else {
      throw MemoryError(message: "calls '\(name)', which is not there")
    }
    guard function.parameters.count == arguments.count else {
      throw MemoryError(message: "calls '\(name)' with \(arguments.count) arguments")
    }
    let caller = frame
    frame = Frame(scope: caller.scope.empty)
    for (parameter, argument) in zip(function.parameters, arguments) {
      try bind(parameter, argument)
    }
    _ = try run(function.body)
    for memory in frame.scratch.values { memories[memory].release() }
    frame = caller
  }

  mutating func bind(
    _ parameter: LoopFunction.Parameter, _ argument: Value
  ) throws(MemoryError) {
    switch (parameter.kind, argument) {
    case (.index, .index(let value)), (.constant, .index(let value)), (.flag, .index(let value)):
      frame.scope.indices[parameter.name] = value
    case (.stride(let tensor), .index(let value)):
      if let place = frame.pointers[tensor], place.window.stride != value {
        guard memories[place.memory].isOneRow else {
          throw MemoryError(message: "hands '\(tensor)' another stride than its own")
        }
        frame.pointers[tensor] = Place(
          memory: place.memory, offset: place.offset,
          window: LoopMemory.Window(
            columns: 0..<place.window.columns.count, origin: place.offset, stride: value),
          isWritable: place.isWritable)
      }
      frame.scope.strides[tensor] = value
    case (.elements(let storage, let isWritable), .place(let place)):
      let memory = memories[place.memory]
      guard memory.storage == storage else {
        throw MemoryError(message: "hands '\(parameter.name)' elements of another type")
      }
      let first = place.window.column(of: place.offset)
      frame.pointers[parameter.name] = Place(
        memory: place.memory, offset: place.offset,
        window: parameter.columns.map { place.window.columns(first..<first + $0) }
          ?? place.window,
        isWritable: place.isWritable && isWritable)
    case (.memory, .byte(let byte)), (.scratch, .byte(let byte)):
      frame.bytes[parameter.name] = byte
    case (.index, _), (.constant, _), (.flag, _), (.stride, _), (.elements, _), (.memory, _),
      (.scratch, _):
      throw MemoryError(message: "hands '\(parameter.name)' something of another kind")
    }
  }

  // MARK: Statements

  /// Runs statements.
  ///
  /// - Returns: Whether one of them has ended the function.
  mutating func run(_ statements: [Stmt]) throws(MemoryError) -> Bool {
    for statement in statements {
      if try run(statement) { return true }
    }
    return false
  }

  mutating func run(_ statement: Stmt) throws(MemoryError) -> Bool {
    switch statement {
    case .comment: break
    case .pointer(let pointer, let buffer, let offset):
      frame.pointers[pointer.name] = try place(buffer).moved(by: try value(offset))
    case .scratch(let pointer, let count):
      let memory = LoopMemory(
        name: pointer.name, storage: .f32, rows: 1, columns: count, stride: count)
      if let known = frame.scratch[pointer.name] {
        memories[known] = memory
      } else {
        frame.pointers[pointer.name] = add(memory)
        frame.scratch[pointer.name] = memories.count - 1
      }
    case .partials(let name, let reduction, let place):
      try lend(place, to: name, elements: SumOrder.partials)
      frame.partials[name] = [Float](
        repeating: ExactArithmetic.identity(of: reduction), count: SumOrder.partials)
    case .define(let name, let expression), .variable(let name, let expression),
      .assign(let name, let expression):
      frame.values[name] = try value(expression)
    case .loop(let index, let from, let to, let step, let body):
      let (first, end, step) = (try value(from), try value(to), try value(step))
      guard step > 0 else { throw MemoryError(message: "loops over '\(index)' by \(step)") }
      for position in stride(from: first, to: end, by: step) {
        frame.scope.indices[index] = position
        if try run(body) { return true }
      }
      frame.scope.indices[index] = nil
    case .section(_, let body): return try run(body)
    case .accumulate(let name, let slot, let reduction, let terms, let lanes):
      try accumulate(name, try value(slot), reduction, terms, lanes)
    case .store(let pointer, let index, let expression, let lanes):
      let vector = try vector(expression)
      try store(pointer, try value(index), Array(vector.prefix(try count(lanes))))
    case .storeEntries(let pointer, let index, let name, let indices, let count):
      var all: [Float] = []
      for number in 0..<count {
        let position = try entry(name, indices + [.constant(number)])
        guard let vector = frame.arrays[name]?.entries[position] else {
          throw MemoryError(message: "stores '\(name)' without entry \(number)")
        }
        all += vector
      }
      try store(pointer, try value(index), all)
    case .finishStreams, .settle: break
    case .flag(let name, let condition):
      frame.scope.indices[name] = try holds(condition) ? 1 : 0
    case .group, .setGroup, .storeGroup, .rows, .nextRow:
      throw MemoryError(message: "has a statement of row programs in a function")
    case .prefetch(let pointer, let index):
      // Nothing is read; what is asked for must be a place of the parameter all the same.
      let place = try place(pointer.name)
      let element = place.offset + (try value(index))
      guard memories[place.memory].elements.indices.contains(element) else {
        throw MemoryError(message: "asks for element \(element) of '\(pointer.name)'")
      }
    case .prefetchLine(let pointer, let index, _):
      _ = try place(pointer.name)
      _ = try value(index)
    case .storeScalar(let pointer, let index, let expression):
      try store(pointer, try value(index), try value(expression))
    case .storeStored(let pointer, let index, let expression):
      let stored = try value(expression)
      let place = try writablePlace(pointer.name)
      try memories[place.memory].write(
        stored, at: place.offset + (try value(index)), place.window)
    case .index(let name, let index): frame.scope.indices[name] = try value(index)
    case .array(let name, let extents, let element, let place):
      let count = extents.reduce(1, *)
      try lend(place, to: name, elements: element == .scalar ? count : count * lanes)
      frame.arrays[name] = (
        extents, element == .scalar, [[Float]?](repeating: nil, count: count)
      )
    case .setEntry(let name, let indices, let expression):
      let isScalar = frame.arrays[name]?.isScalar == true
      let value = isScalar ? try value(expression) : try vector(expression)
      let position = try entry(name, indices)
      frame.arrays[name]?.entries[position] = value
    case .when(let condition, let yes, let no): return try run(try holds(condition) ? yes : no)
    case .strips(let index, let to, let strips):
      var position = 0
      let end = try value(to)
      for strip in strips {
        while position + strip.count <= end {
          frame.scope.indices[index] = position
          if try run(strip.body) { return true }
          position += strip.count
        }
      }
      frame.scope.indices[index] = nil
    case .call(let name, let arguments):
      var values: [Value] = []
      for argument in arguments { values.append(try value(argument)) }
      try call(name, values)
    case .carve(let pointer, let memory, let byte, let count, let columns, let stride):
      frame.pointers[pointer.name] = try carve(
        pointer, from: try byteOf(memory) + value(byte), count: try value(count), columns, stride)
    case .memory(let name, let memory, let byte, _):
      let byte = try byteOf(memory) + value(byte)
      guard byte % 64 == 0 else {
        throw MemoryError(message: "has '\(name)' at byte \(byte), which begins no cache line")
      }
      frame.bytes[name] = byte
    case .step(let index, let steps):
      let number = try value(index)
      guard steps.indices.contains(number) else {
        throw MemoryError(message: "step \(number) of \(steps.count)")
      }
      return try run(steps[number])
    case .leave: return true
    }
    return false
  }

  mutating func add(_ memory: LoopMemory) -> Place {
    memories.append(memory)
    return Place(
      memory: memories.count - 1, offset: 0,
      window: .all(of: memory).columns(0..<memory.stride))
  }

  /// Gives bytes of the scratch memory a type. What lay there under another is lost.
  mutating func carve(
    _ pointer: Pointer, from byte: Int, count: Int, _ columns: Int, _ stride: Int
  ) throws(MemoryError) -> Place {
    let bytes = byte..<byte + count * pointer.storage.byteCount
    // The scratch memory may begin anywhere: what is aligned in it ends up to 63 bytes later.
    guard byte >= 0, bytes.upperBound + 63 <= scratchBytes else {
      throw MemoryError(
        message:
          "has '\(pointer.name)' in bytes \(bytes) of \(scratchBytes) bytes of scratch memory")
    }
    // The same bytes may hold few long rows of one chunk and many short ones of another.
    let known = carved.first {
      $0.bytes == bytes && $0.storage == pointer.storage && memories[$0.memory].stride == stride
    }
    if let known {
      return Place(
        memory: known.memory, offset: 0,
        window: .all(of: memories[known.memory]).columns(0..<stride))
    }
    for old in carved where old.bytes.overlaps(bytes) { memories[old.memory].release() }
    carved.removeAll { $0.bytes.overlaps(bytes) }
    let place = add(
      LoopMemory(
        name: pointer.name, storage: pointer.storage, rows: stride > 0 ? count / stride : 0,
        columns: columns, stride: stride, isPadded: true))
    carved.append(Carved(bytes: bytes, storage: pointer.storage, memory: place.memory))
    return place
  }

  /// Gives an array its bytes of the scratch memory, if it lies there. What lay there is lost.
  mutating func lend(
    _ place: LoopPlace, to name: String, elements: Int
  ) throws(MemoryError) {
    frame.lent[name] = nil
    guard case .memory(let memory, let byte) = place else { return }
    let first = try byteOf(memory) + byte
    let bytes = first..<first + 4 * elements
    if let other = frame.lent.first(where: { $0.value.overlaps(bytes) }) {
      throw MemoryError(message: "has '\(name)' in the memory of '\(other.key)'")
    }
    _ = try carve(
      Pointer(name: name, storage: .f32), from: first, count: elements, elements, elements)
    frame.lent[name] = bytes
  }

  /// Refuses an array whose bytes have been given to something else.
  func checkLent(_ name: String) throws(MemoryError) {
    guard let bytes = frame.lent[name] else { return }
    guard carved.contains(where: { $0.bytes == bytes }) else {
      throw MemoryError(message: "uses '\(name)', whose memory is another's")
    }
  }

  mutating func accumulate(
    _ name: String, _ slot: Int, _ reduction: Reduction, _ terms: [LoopExpr], _ lanes: Lanes
  ) throws(MemoryError) {
    var factors: [[Float]] = []
    for term in terms { factors.append(try vector(term)) }
    try checkLent(name)
    guard var sums = frame.partials[name] else {
      throw MemoryError(message: "accumulates into '\(name)', which is not there")
    }
    for lane in 0..<(try count(lanes)) {
      let place = slot * self.lanes + lane
      if factors.count == 2 {
        sums[place].addProduct(factors[0][lane], factors[1][lane])
      } else {
        sums[place] = ExactArithmetic.combined(sums[place], factors[0][lane], by: reduction)
      }
    }
    frame.partials[name] = sums
  }

  mutating func store(
    _ pointer: Pointer, _ index: Int, _ values: [Float]
  ) throws(MemoryError) {
    let place = try writablePlace(pointer.name)
    let storage = memories[place.memory].storage
    try memories[place.memory].write(
      values.map { ExactArithmetic.rounded($0, to: storage) }, at: place.offset + index,
      place.window)
  }
}
