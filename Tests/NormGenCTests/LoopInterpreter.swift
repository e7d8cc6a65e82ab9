import NormGen

/// Executes loops one element after the other in Swift's own Float arithmetic; it knows nothing of C.
///
/// Elementary functions and binades are beyond it, and so are tiles.
struct LoopInterpreter {
  let kernel: LoopKernel
  let row: Int
  /// The elements of each parameter, widened, and of scratch rows.
  var memory: [String: [Float]]
  private var pointers: [String: (buffer: String, start: Int)] = [:]
  private var indices: [String: Int]
  /// Scalars have one element.
  private var values: [String: [Float]] = [:]
  private var partials: [String: [Float]] = [:]

  /// - Parameter memory: The elements of every parameter for all rows, row behind row.
  init(_ kernel: LoopKernel, row: Int, memory: [String: [Float]]) {
    self.kernel = kernel
    self.row = row
    self.memory = memory
    indices = [LoopIndex.row: row]
    for buffer in kernel.buffers { pointers[buffer.name] = (buffer.name, 0) }
  }

  mutating func run() { run(kernel.row) }

  private mutating func run(_ statements: [Stmt]) {
    for statement in statements { run(statement) }
  }

  private mutating func run(_ statement: Stmt) {
    switch statement {
    case .comment, .nextRow, .prefetch: break
    case .pointer(let pointer, let buffer, let offset):
      pointers[pointer.name] = (buffer, value(offset))
    case .scratch(let pointer, let count):
      memory[pointer.name] = [Float](repeating: .nan, count: count)
      pointers[pointer.name] = (pointer.name, 0)
    case .partials(let name, let reduction):
      partials[name] = [Float](repeating: Self.identity(reduction), count: 64)
    case .group(let name): partials[name] = [Float](repeating: .nan, count: 64)
    case .define(let name, let expression), .variable(let name, let expression),
      .assign(let name, let expression):
      values[name] = elements(expression)
    case .loop(let index, let from, let to, let step, let body):
      for position in stride(from: value(from), to: value(to), by: step) {
        indices[index] = position
        run(body)
      }
    case .block(_, let body), .rows(let body): run(body)
    case .accumulate(let name, let slot, let reduction, let terms, let lanes):
      let start = value(slot) * kernel.lanes
      let terms = terms.map { vector($0) }
      for lane in 0..<count(lanes) {
        let old = partials[name]?[start + lane] ?? .nan
        let new: Float
        switch reduction {
        case .sum, .mean:
          new =
            terms.count == 2
            ? old.addingProduct(terms[0][lane], terms[1][lane]) : old + terms[0][lane]
        case .max: new = Self.maximum(old, terms[0][lane])
        case .min: new = Self.minimum(old, terms[0][lane])
        }
        partials[name]?[start + lane] = new
      }
    case .store(let pointer, let index, let expression, let lanes):
      store(Array(vector(expression).prefix(count(lanes))), pointer, value(index))
    case .setGroup(let name, let slot, let expression):
      let start = value(slot) * kernel.lanes
      let elements = vector(expression)
      partials[name]?.replaceSubrange(start..<start + kernel.lanes, with: elements)
    case .storeGroup(let pointer, let index, let name):
      store(partials[name] ?? [], pointer, value(index))
    case .storeScalar(let pointer, let index, let expression):
      store(elements(expression), pointer, value(index))
    }
  }

  // MARK: Memory

  private func count(_ lanes: Lanes) -> Int {
    switch lanes {
    case .all: kernel.lanes
    case .first(let count): count
    }
  }

  private mutating func store(_ elements: [Float], _ pointer: Pointer, _ index: Int) {
    guard let place = pointers[pointer.name] else { return }
    for (offset, element) in elements.enumerated() {
      let rounded = element.isNaN ? element : Self.rounded(element, pointer.storage)
      memory[place.buffer]?[place.start + index + offset] = rounded
    }
  }

  private func load(_ pointer: Pointer, _ index: Int, _ count: Int) -> [Float] {
    guard let place = pointers[pointer.name], let elements = memory[place.buffer] else { return [] }
    return (0..<count).map { elements[place.start + index + $0] }
  }

  private static func rounded(_ value: Float, _ type: DType) -> Float {
    Float(type.value(ofBits: type.bits(nearest: Double(value))))
  }

  private func value(_ index: Index) -> Int {
    switch index {
    case .constant(let value): value
    case .variable(let name): indices[name] ?? .min
    case .stride(let name):
      kernel.buffers.first { $0.name == name }?.shape.elementsPerRow ?? .min
    case .sum(let left, let right): value(left) + value(right)
    case .product(let left, let right): value(left) * value(right)
    }
  }

  // MARK: Values

  private func vector(_ expression: LoopExpr) -> [Float] {
    let elements = elements(expression)
    return elements.count == 1 ? [Float](repeating: elements[0], count: kernel.lanes) : elements
  }

  private func elements(_ expression: LoopExpr) -> [Float] {
    switch expression {
    case .vector(let name), .scalar(let name): return values[name] ?? []
    case .constant(let value): return [value]
    case .load(let pointer, let index, let lanes):
      let loaded = load(pointer, value(index), count(lanes))
      return loaded + [Float](repeating: 0, count: kernel.lanes - loaded.count)
    case .loadScalar(let pointer, let index): return load(pointer, value(index), 1)
    case .rounded(let type, let operand): return elements(operand).map { Self.rounded($0, type) }
    case .leading(let operand, let count):
      return vector(operand).enumerated().map { $0.offset < count ? $0.element : 0 }
    case .combined(let reduction, let name):
      return [Self.combined(reduction, partials[name] ?? [])]
    case .apply(let op, let operands):
      let operands = operands.map { expression.isVector ? vector($0) : elements($0) }
      return operands[0].indices.map { lane in Self.apply(op, operands.map { $0[lane] }) }
    }
  }

  private static func identity(_ reduction: Reduction) -> Float {
    switch reduction {
    case .sum, .mean: 0
    case .max: -.infinity
    case .min: .infinity
    }
  }

  private static func combined(_ reduction: Reduction, _ partials: [Float]) -> Float {
    var partials = partials
    var half = 32
    while half > 0 {
      for place in 0..<half {
        let (left, right) = (partials[place], partials[place + half])
        switch reduction {
        case .sum, .mean: partials[place] = left + right
        case .max: partials[place] = maximum(left, right)
        case .min: partials[place] = minimum(left, right)
        }
      }
      half /= 2
    }
    return partials[0]
  }

  private static func maximum(_ a: Float, _ b: Float) -> Float { a > b || a.isNaN ? a : b }
  private static func minimum(_ a: Float, _ b: Float) -> Float { a < b || a.isNaN ? a : b }

  private static func apply(_ op: ElementwiseOp, _ x: [Float]) -> Float {
    switch op {
    case .add: x[0] + x[1]
    case .subtract: x[0] - x[1]
    case .multiply: x[0] * x[1]
    case .divide: x[0] / x[1]
    case .negate: -x[0]
    case .absolute: x[0].magnitude
    case .squareRoot: x[0].squareRoot()
    case .maximum: maximum(x[0], x[1])
    case .minimum: minimum(x[0], x[1])
    case .selectGreater: x[0] > x[1] ? x[2] : x[3]
    case .multiplyAdd: x[2].addingProduct(x[0], x[1])
    case .binade, .exp, .log, .tanh, .erf, .sigmoid: .signalingNaN
    }
  }
}
