public import NormGenIR
public import NormGenTensors

/// Inputs that do not fit a graph.
public enum InterpreterError: Error, Hashable, Sendable, CustomStringConvertible {
  /// An input has no tensor.
  case missing(input: String)
  /// A tensor belongs to no input.
  case unknown(name: String)
  /// A tensor has another type.
  case storage(input: String, expected: DType, found: DType)
  /// A tensor has another shape.
  case shape(input: String, expected: [Int], found: [Int])
  /// A negative number of rows.
  case rows(Int)

  public var description: String {
    switch self {
    case .missing(let input): "no tensor was given for the input '\(input)'"
    case .unknown(let name): "the kernel has no input '\(name)'"
    case .storage(let input, let expected, let found):
      "the input '\(input)' must have \(expected.rawValue) elements, found \(found.rawValue)"
    case .shape(let input, let expected, let found):
      "the input '\(input)' must have shape \(expected), found \(found)"
    case .rows(let rows): "the number of rows must not be negative, found \(rows)"
    }
  }
}

/// The oracle: evaluates a graph in Float64, honouring every declared rounding point, and derives
/// beside each value a bound on what a Float32 kernel may differ from it.
///
/// It reads the graph and nothing else: no plan, no loops, no C.
public struct GraphInterpreter {
  private let graph: Graph
  private let rows: Int
  private let columns: JudgedColumns
  private var values: [[Bounded]] = []

  /// The outputs of `graph`, in order, row-major.
  ///
  /// - Parameters:
  ///   - graph: The kernel's meaning.
  ///   - rows: The number of rows; with 0 the outputs are empty.
  ///   - inputs: A tensor for every input; `rows` is the leading extent where the shape has it.
  ///   - columns: The columns that are needed; the others hold zeros or what follows from them.
  /// - Throws: ``InterpreterError``.
  public static func outputs(
    of graph: Graph, rows: Int, inputs: [String: HostTensor], columns: JudgedColumns? = nil
  ) throws(InterpreterError) -> [[Bounded]] {
    let values = try values(
      of: graph, rows: rows, inputs: inputs, columns: columns, keeping: .outputs)
    return graph.outputs.map { output in
      values[output.value.index].map { $0.rounded(to: output.storage) }
    }
  }

  /// Every value of `graph` by its index in `nodes`, before any storage rounding.
  public static func allValues(
    of graph: Graph, rows: Int, inputs: [String: HostTensor]
  ) throws(InterpreterError) -> [[Bounded]] {
    try values(of: graph, rows: rows, inputs: inputs, keeping: .everything)
  }

  /// The values that an evaluation leaves.
  enum Kept {
    /// All.
    case everything
    /// All but inputs that are weights of matmuls and nothing else, which read them where they are.
    case allButWeights
    /// Those that are stored; the others make room when they were used last.
    case outputs
  }

  static func values(
    of graph: Graph, rows: Int, inputs: [String: HostTensor], columns: JudgedColumns? = nil,
    keeping kept: Kept
  ) throws(InterpreterError) -> [[Bounded]] {
    guard rows >= 0 else { throw .rows(rows) }
    let names = graph.inputs.compactMap { id -> String? in
      if case .input(let name, _) = graph[id].op { return name }
      return nil
    }
    if let name = inputs.keys.sorted().first(where: { !names.contains($0) }) {
      throw .unknown(name: name)
    }
    var interpreter = GraphInterpreter(
      graph: graph, rows: rows, columns: columns ?? .all(of: graph))
    let omitted = kept == .everything ? [] : graph.weightsOnly
    let lastUses = kept == .outputs ? graph.lastUses : []
    for id in graph.values {
      interpreter.values.append(
        omitted.contains(id) ? [] : try interpreter.evaluate(id, inputs))
      for unused in lastUses.isEmpty ? [] : lastUses[id.index] {
        interpreter.values[unused.index] = []
      }
    }
    return interpreter.values
  }

  private init(graph: Graph, rows: Int, columns: JudgedColumns) {
    self.graph = graph
    self.rows = rows
    self.columns = columns
  }

  private func evaluate(
    _ id: ValueID, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> [Bounded] {
    let node = graph[id]
    switch node.op {
    case .input:
      return try tensor(of: node, inputs).doubles.map { Bounded($0) }
    case .constant(let bits):
      return [Bounded(Double(Float(bitPattern: bits)))]
    case .elementwise(let op):
      let isSquare = node.isSquare
      return map(node.operands, to: node.shape) {
        GraphInterpreter.apply(op, $0, isSquare: isSquare)
      }
    case .convert(let type):
      return values[node.operands[0].index].map { $0.rounded(to: type) }
    case .dequantize(let format):
      return format.decoded(try tensor(of: graph[node.operands[0]], inputs)).map {
        Bounded(Double($0))
      }
    case .reshape:
      return values[node.operands[0].index]
    case .columns, .concatenate, .leadingPart:
      return moved(id)
    case .statistic(let statistic):
      return reduce(statistic, node)
    case .matmul(let matmul):
      let operand = graph[node.operands[1]]
      if let weights = IntegerProduct.weights(of: node, in: graph) {
        let product = IntegerProduct(graph, node, try tensor(of: weights, inputs))
        return product.product(
          values[node.operands[0].index],
          node.operands.count > 2 ? values[node.operands[2].index] : nil,
          one: Bounded(1), needed: columns.columns(of: id), zero: Bounded(0), product.bounded)
      }
      let weights: MatmulEvaluation.Weights
      if case .dequantize(let format) = operand.op {
        weights = .decoded(format.decoded(try tensor(of: graph[operand.operands[0]], inputs)))
      } else if operand.inputName == nil {
        weights = .computed(values[node.operands[1].index])
      } else {
        weights = .stored(try tensor(of: operand, inputs))
      }
      return MatmulEvaluation.product(
        values[node.operands[0].index], terms: graph[node.operands[0]].shape.rowExtent, weights,
        matmul, needed: columns.columns(of: id))
    case .rowSum(let sum):
      return RowSumEvaluation.sum(sum, terms: terms(node), rows: rows)
    case .outerSum:
      return RowSumEvaluation.outerSum(
        values[node.operands[0].index], values[node.operands[1].index],
        extents: node.shape.extents, rows: rows)
    }
  }

  /// Elements of the operands in other places.
  private func moved(_ id: ValueID) -> [Bounded] {
    let source = ElementSource(of: id, in: graph)
    let shape = graph[id].shape
    return (0..<(shape.hasRows ? rows : 1) * shape.elementsPerRow).map { position in
      source?[position].map { values[$0.operand.index][$0.position] } ?? Bounded(0)
    }
  }

  /// The tensor given for an input node.
  private func tensor(
    of node: Node, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> HostTensor {
    guard case .input(let name, let storage) = node.op, let tensor = inputs[name] else {
      throw .missing(input: node.inputName ?? node.name ?? "weights")
    }
    guard tensor.storage == storage else {
      throw .storage(input: name, expected: storage, found: tensor.storage)
    }
    let expected = node.shape.extents(rows: rows)
    guard tensor.shape == expected else {
      throw .shape(input: name, expected: expected, found: tensor.shape)
    }
    return tensor
  }

  // MARK: Elementwise

  /// - Parameter isSquare: Whether the first two operands are one value.
  static func apply(_ op: ElementwiseOp, _ operands: [Bounded], isSquare: Bool) -> Bounded {
    switch op {
    case .add: operands[0] + operands[1]
    case .subtract: operands[0] - operands[1]
    case .multiply: isSquare ? operands[0].squared : operands[0] * operands[1]
    case .divide: operands[0] / operands[1]
    case .negate: -operands[0]
    case .absolute: operands[0].absolute()
    case .binade: operands[0].binade()
    case .squareRoot: operands[0].squareRoot()
    case .maximum: operands[0].maximum(operands[1])
    case .minimum: operands[0].minimum(operands[1])
    case .multiplyAdd: operands[0].multiplyAdd(operands[1], operands[2], isSquare: isSquare)
    case .selectGreater:
      operands[0].select(ifGreaterThan: operands[1], operands[2], else: operands[3])
    case .exp: operands[0].applying(.exp)
    case .log: operands[0].applying(.log)
    case .tanh: operands[0].applying(.tanh)
    case .erf: operands[0].applying(.erf)
    case .sigmoid: operands[0].applying(.sigmoid)
    }
  }

  /// Applies `body` to every element of the broadcast operands.
  private func map(
    _ operands: [ValueID], to shape: Shape, _ body: ([Bounded]) -> Bounded
  ) -> [Bounded] {
    let views = operands.map { Broadcast(graph[$0].shape, to: shape) }
    var result: [Bounded] = []
    let count = shape.elementsPerRow
    let rowCount = shape.hasRows ? rows : 1
    result.reserveCapacity(rowCount * count)
    var elements = [Bounded](repeating: Bounded(0), count: operands.count)
    for row in 0..<rowCount {
      for position in 0..<count {
        for (index, view) in views.enumerated() {
          elements[index] = values[operands[index].index][view.index(row: row, position)]
        }
        result.append(body(elements))
      }
    }
    return result
  }

  // MARK: Statistics

  /// The broadcast shape of the operands.
  private func termShape(_ operands: [ValueID]) -> Shape { graph.termShape(of: operands) }

  /// The elements of the operands of a sum, each broadcast to the terms' shape.
  private func terms(_ node: Node) -> RowSumEvaluation.Terms {
    let shape = termShape(node.operands)
    let factors = node.operands.map { map([$0], to: shape) { $0[0] } }
    return RowSumEvaluation.Terms(
      extents: shape.extents, factors: factors, isSquare: node.isSquare)
  }

  private func reduce(_ statistic: Statistic, _ node: Node) -> [Bounded] {
    let operands = node.operands
    let shape = termShape(operands)
    let extent = shape.rowExtent
    let window = (try? statistic.window.count(in: extent)) ?? extent
    let views = operands.map { Broadcast(graph[$0].shape, to: shape) }
    let rowCount = shape.hasRows ? rows : 1
    var result: [Bounded] = []
    for row in 0..<rowCount {
      for outer in 0..<(shape.elementsPerRow / extent) {
        let factors = (0..<operands.count).map { index in
          (0..<window).map { position in
            values[operands[index].index][
              views[index].index(row: row, outer * extent + position)]
          }
        }
        result.append(
          CanonicalOrder.reduced(factors, by: statistic.reduction, isSquare: node.isSquare))
      }
    }
    return result
  }
}

extension Node {
  /// Whether two values that are multiplied are one.
  var isSquare: Bool { operands.count > 1 && operands[0] == operands[1] }
}

/// Where the elements of a value are found that is broadcast to a wider shape.
struct Broadcast {
  private let positions: [Int]
  private let rowStride: Int

  init(_ shape: Shape, to wide: Shape) {
    let own = shape.extents
    let target = wide.extents
    var positions = [0]
    var stride = 1
    // From the last axis outwards: repeat or advance along each axis of the wide shape.
    for distance in 0..<target.count {
      let wideExtent = target[target.count - 1 - distance]
      let ownExtent = distance < own.count ? own[own.count - 1 - distance] : 1
      let step = ownExtent == 1 ? 0 : stride
      positions = (0..<wideExtent).flatMap { index in positions.map { $0 + index * step } }
      stride *= ownExtent
    }
    self.positions = positions
    self.rowStride = shape.hasRows ? shape.elementsPerRow : 0
  }

  func index(row: Int, _ position: Int) -> Int { row * rowStride + positions[position] }
}
