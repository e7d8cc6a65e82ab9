public import NormGenIR
public import NormGenTensors

/// The exact interpreter: evaluates a graph in Float32 to the bit, from the graph and the numeric
/// contract alone.
///
/// Each rounding, conversion, order of a sum and fused multiply-add stands here as the contract says
/// it. Nothing of the plan, the loops or the C is read: a kernel whose bits differ from these is
/// wrong, whatever other targets say. NaN payloads are left open.
public struct ExactInterpreter {
  private let graph: Graph
  private let rows: Int
  private let columns: JudgedColumns
  private var values: [[Float]] = []

  /// The outputs of `graph` as a kernel must store them, in order.
  ///
  /// - Parameters:
  ///   - graph: The kernel's meaning.
  ///   - rows: The number of rows.
  ///   - inputs: A tensor for every input; `rows` is the leading extent where the shape has it.
  ///   - columns: The columns that are needed; the others hold zeros or what follows from them.
  /// - Throws: ``InterpreterError``; `TensorError` where an output does not fit memory.
  public static func outputs(
    of graph: Graph, rows: Int, inputs: [String: HostTensor], columns: JudgedColumns? = nil
  ) throws -> [HostTensor] {
    guard rows >= 0 else { throw InterpreterError.rows(rows) }
    var interpreter = ExactInterpreter(
      graph: graph, rows: rows, columns: columns ?? .all(of: graph))
    let lastUses = graph.lastUses
    let weights = graph.weightsOnly
    for id in graph.values {
      interpreter.values.append(
        weights.contains(id) ? [] : try interpreter.evaluate(id, inputs))
      for unused in lastUses[id.index] { interpreter.values[unused.index] = [] }
    }
    return try graph.outputs.map { try interpreter.stored($0) }
  }

  private init(graph: Graph, rows: Int, columns: JudgedColumns) {
    self.graph = graph
    self.rows = rows
    self.columns = columns
  }

  private func stored(_ output: Output) throws(TensorError) -> HostTensor {
    var tensor = try HostTensor(
      zeros: graph[output.value].shape.extents(rows: rows), output.storage)
    tensor.withUnsafeMutableBytes { memory in
      for (index, value) in values[output.value.index].enumerated() {
        let bits = ExactArithmetic.bits(
          of: ExactArithmetic.rounded(value, to: output.storage), as: output.storage)
        switch output.storage.byteCount {
        case 4: memory.storeBytes(of: bits, toByteOffset: 4 * index, as: UInt32.self)
        case 2: memory.storeBytes(of: UInt16(bits), toByteOffset: 2 * index, as: UInt16.self)
        default: memory[index] = UInt8(bits)
        }
      }
    }
    return tensor
  }

  // MARK: Values

  private func evaluate(
    _ id: ValueID, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> [Float] {
    let node = graph[id]
    switch node.op {
    case .input: return try elements(of: node, inputs)
    case .constant(let bits): return [Float(bitPattern: bits)]
    case .elementwise(let op): return elementwise(op, node)
    case .convert(let type):
      return values[node.operands[0].index].map { ExactArithmetic.rounded($0, to: type) }
    case .dequantize(let format): return try decoded(format, node, inputs)
    case .reshape: return values[node.operands[0].index]
    case .columns(let start, let count): return columns(node, start: start, count: count)
    case .concatenate: return concatenated(node)
    case .leadingPart(let count, let extent):
      return leadingPart(node, count: count, extent: extent)
    case .statistic(let statistic): return self.statistic(statistic, node)
    case .matmul(let matmul): return try product(matmul, id, inputs)
    case .rowSum(let sum): return overRows(sum, node)
    case .outerSum:
      let shapes = node.operands.map { graph[$0].shape.rowExtent }
      return ExactSums.outer(
        values[node.operands[0].index], values[node.operands[1].index], rows: rows,
        extents: (shapes[0], shapes[1]))
    }
  }

  /// The tensor given for an input.
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

  /// The elements of an input, widened.
  private func elements(
    of node: Node, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> [Float] {
    let tensor = try tensor(of: node, inputs)
    let storage = tensor.storage
    return tensor.withUnsafeBytes { bytes in
      switch storage {
      case .f32: return bytes.bindMemory(to: Float.self).map { $0 }
      case .bf16, .f16:
        return bytes.bindMemory(to: UInt16.self).map {
          ExactArithmetic.value(ofBits: UInt32($0), as: storage)
        }
      case .i8, .u8, .f8E4M3, .f8E5M2:
        return bytes.map { ExactArithmetic.value(ofBits: UInt32($0), as: storage) }
      }
    }
  }

  /// A product of integers; nil if the node is another one.
  private func integerProduct(
    _ node: Node, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> IntegerProduct? {
    guard let weights = IntegerProduct.weights(of: node, in: graph) else { return nil }
    return IntegerProduct(graph, node, try tensor(of: weights, inputs))
  }

  /// What the blocks of an input hold.
  private func decoded(
    _ format: BlockFormat, _ node: Node, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> [Float] {
    format.decoded(try tensor(of: graph[node.operands[0]], inputs))
  }

  // MARK: Elements

  /// Where the elements of a value stand that is broadcast to a wider shape, for the elements of one
  /// row and from row to row.
  private struct View {
    let elements: [Float]
    let positions: [Int]?
    let rowStride: Int

    subscript(row: Int, position: Int) -> Float {
      elements[row * rowStride + (positions.map { $0[position] } ?? position)]
    }
  }

  private func view(_ id: ValueID, in shape: Shape) -> View {
    let own = graph[id].shape
    let rowStride = own.hasRows ? own.elementsPerRow : 0
    if own.extents == shape.extents {
      return View(elements: values[id.index], positions: nil, rowStride: rowStride)
    }
    // An axis that the value lacks, or has one element of, does not move it.
    let padded = [Int](repeating: 1, count: shape.extents.count - own.extents.count) + own.extents
    var strides = [Int](repeating: 0, count: padded.count)
    var step = 1
    for axis in padded.indices.reversed() {
      if padded[axis] > 1 { strides[axis] = step }
      step *= padded[axis]
    }
    var indices = [Int](repeating: 0, count: padded.count)
    var place = 0
    let positions = (0..<shape.elementsPerRow).map { _ in
      defer {
        for axis in indices.indices.reversed() {
          indices[axis] += 1
          place += strides[axis]
          if indices[axis] < shape.extents[axis] { break }
          place -= indices[axis] * strides[axis]
          indices[axis] = 0
        }
      }
      return place
    }
    return View(elements: values[id.index], positions: positions, rowStride: rowStride)
  }

  private func rowCount(_ shape: Shape) -> Int { shape.hasRows ? rows : 1 }

  private func elementwise(_ op: ElementwiseOp, _ node: Node) -> [Float] {
    let shape = node.shape
    let count = shape.elementsPerRow
    let views = node.operands.map { view($0, in: shape) }
    var result: [Float] = []
    result.reserveCapacity(rowCount(shape) * count)
    var operands = [Float](repeating: 0, count: views.count)
    for row in 0..<rowCount(shape) {
      for position in 0..<count {
        for index in views.indices { operands[index] = views[index][row, position] }
        result.append(ExactArithmetic.value(of: op, operands))
      }
    }
    return result
  }

  // MARK: Moved elements

  private func columns(_ node: Node, start: Int, count: Int) -> [Float] {
    let operand = values[node.operands[0].index]
    let extent = graph[node.operands[0]].shape.rowExtent
    return (0..<operand.count / extent).flatMap { operand[($0 * extent + start)...].prefix(count) }
  }

  private func concatenated(_ node: Node) -> [Float] {
    let outer = node.shape.elementsPerRow / node.shape.rowExtent
    var result: [Float] = []
    result.reserveCapacity(rows * node.shape.elementsPerRow)
    for group in 0..<rows * outer {
      for operand in node.operands {
        let shape = graph[operand].shape
        let extent = shape.rowExtent
        let place = shape.hasRows ? group : group % outer
        result += values[operand.index][(place * extent)...].prefix(extent)
      }
    }
    return result
  }

  private func leadingPart(_ node: Node, count: Int, extent: Int) -> [Float] {
    let operand = values[node.operands[0].index]
    let isRepeated = graph[node.operands[0]].shape.rowExtent == 1
    let groups = isRepeated ? operand.count : operand.count / extent
    return (0..<groups * extent).map { position in
      let (group, element) = (position / extent, position % extent)
      return element < count ? operand[isRepeated ? group : position] : 0
    }
  }

  // MARK: Sums

  /// The shape that several operands are broadcast to.
  private func terms(_ operands: [ValueID]) -> Shape {
    operands.map { graph[$0].shape }.reduce(.scalar) { wide, shape in
      let rank = max(wide.extents.count, shape.extents.count)
      let extents = (0..<rank).map { axis in
        func extent(_ shape: Shape) -> Int {
          let own = axis - (rank - shape.extents.count)
          return own < 0 ? 1 : shape.extents[own]
        }
        return max(extent(wide), extent(shape))
      }
      return Shape(hasRows: wide.hasRows || shape.hasRows, extents: extents)
    }
  }

  /// An operand's elements in the wide shape.
  private func broadcast(_ id: ValueID, to shape: Shape) -> [Float] {
    let view = view(id, in: shape)
    return (0..<rowCount(shape)).flatMap { row in
      (0..<shape.elementsPerRow).map { view[row, $0] }
    }
  }

  private func statistic(_ statistic: Statistic, _ node: Node) -> [Float] {
    let shape = terms(node.operands)
    let extent = shape.rowExtent
    let window = (try? statistic.window.count(in: extent)) ?? extent
    let views = node.operands.map { view($0, in: shape) }
    return (0..<rowCount(shape)).flatMap { row in
      (0..<shape.elementsPerRow / extent).map { group in
        let factors = views.map { view in
          (group * extent..<group * extent + window).map { view[row, $0] }
        }
        return ExactSums.statistic(
          statistic.reduction, factors[0], times: factors.count > 1 ? factors[1] : nil)
      }
    }
  }

  private func overRows(_ sum: RowSum, _ node: Node) -> [Float] {
    let shape = terms(node.operands)
    let factors = node.operands.map { broadcast($0, to: shape) }
    let count = node.shape.elementsPerRow
    let totals = ExactSums.overRows(
      factors[0], times: factors.count > 1 ? factors[1] : nil, rows: rows,
      perRow: shape.elementsPerRow, count: count)
    switch sum.aggregate {
    case .sum: return totals
    case .mean:
      let terms = Float(rows * (shape.elementsPerRow / count))
      return totals.map { $0 / terms }
    }
  }

  private func product(
    _ matmul: Matmul, _ id: ValueID, _ inputs: [String: HostTensor]
  ) throws(InterpreterError) -> [Float] {
    let node = graph[id]
    let x = values[node.operands[0].index]
    let operand = graph[node.operands[1]]
    if let product = try integerProduct(node, inputs) {
      return product.product(
        x, node.operands.count > 2 ? values[node.operands[2].index] : nil, one: 1,
        needed: columns.columns(of: id), zero: 0, product.exact)
    }
    let weights: [Float]
    if case .dequantize(let format) = operand.op {
      weights = try decoded(format, operand, inputs)
    } else {
      weights =
        operand.inputName == nil
        ? values[node.operands[1].index] : try elements(of: operand, inputs)
    }
    let depth = graph[node.operands[0]].shape.rowExtent
    let width = node.shape.rowExtent
    let groups = x.count / depth
    var result = [Float](repeating: 0, count: groups * width)
    for column in columns.columns(of: id) ?? Array(0..<width) {
      let own = ExactSums.column(column, of: weights, depth: depth, layout: matmul.layout)
      own.withUnsafeBufferPointer { own in
        x.withUnsafeBufferPointer { x in
          for group in 0..<groups {
            let row = UnsafeBufferPointer(rebasing: x[group * depth..<(group + 1) * depth])
            result[group * width + column] = ExactSums.product(row, own, matmul.accumulation)
          }
        }
      }
    }
    return result
  }
}
