import NormGenIR
public import NormGenLoops
import NormGenReference
public import NormGenTensors

/// Runs a lowered program, without C and without a compiler.
///
/// It executes the loops as they are, lane by lane, checks every access against the memory that is
/// declared for it, and knows nothing of the graph. Where its bits are those of the exact interpreter
/// and a compiled kernel's are not, the mistake is in what prints or compiles the loops; where its bits
/// are others, in what made the loops. It is slow: for small extents and few rows.
public struct LoopInterpreter {
  /// What a program does that it may not do.
  public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The program, or the row program in it.
    public let program: String
    /// What happens, and where.
    public let message: String

    public var description: String { "the loops of '\(program)': \(message)" }
  }

  private let program: LoopProgram
  private let rows: Int
  private var memories: [LoopMemory] = []
  /// The memory of each parameter, panel and total.
  private var places: [String: Int] = [:]
  private let panels: [String: Panel]
  private let views: [String: LoopProgram.View]

  /// Elements between the rows of a parameter that belong to nobody.
  private static let gap = 3

  /// The outputs of a program, by name.
  ///
  /// - Parameters:
  ///   - program: The loops of a kernel.
  ///   - rows: The number of rows.
  ///   - inputs: A tensor for every input, of the declared type and shape.
  ///   - parts: How many parts the rows of a block, or of the call, are cut into. No bit depends on it.
  /// - Throws: ``Fault`` for an access outside the declared memory, a value that is used before it is
  ///   written, an output that is not written; `TensorError` where an output does not fit memory.
  public static func outputs(
    of program: LoopProgram, rows: Int, inputs: [String: HostTensor], parts: Int = 1
  ) throws -> [String: HostTensor] {
    var interpreter = LoopInterpreter(program, rows: rows, inputs: inputs)
    try interpreter.run(parts: max(parts, 1))
    var outputs: [String: HostTensor] = [:]
    for buffer in program.buffers where buffer.isOutput {
      let values = try interpreter.rows(of: buffer.name)
      outputs[buffer.name] = try HostTensor(
        values.map(Double.init), shape: buffer.shape.extents(rows: rows), buffer.storage)
    }
    return outputs
  }

  /// About how many operations on vectors and terms of products a run takes.
  public static func cost(of program: LoopProgram, rows: Int) -> Int {
    let statements = program.kernels.reduce(0) { sum, kernel in
      let elements = kernel.buffers.map(\.shape.elementsPerRow).max() ?? 1
      return sum + kernel.statementCount * (elements / kernel.lanes / 8 + 1)
    }
    let terms = program.multiplications.reduce(0) { $0 + $1.depth * $1.columns / 8 }
    let sums = program.accumulations.reduce(0) { sum, accumulation in
      switch accumulation.terms {
      case .columns: sum + 1
      case .outer(_, _, let rows, let columns): sum + rows * columns
      }
    }
    return rows * (statements + terms + sums)
  }

  private init(_ program: LoopProgram, rows: Int, inputs: [String: HostTensor]) {
    self.program = program
    self.rows = rows
    panels = Dictionary(program.panels.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    views = Dictionary(program.views.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    for buffer in program.buffers {
      let columns = buffer.shape.elementsPerRow
      var memory = LoopMemory(
        name: buffer.name, storage: buffer.storage, rows: buffer.shape.hasRows ? rows : 1,
        columns: columns, stride: columns + (buffer.shape.hasRows ? Self.gap : 0),
        isWritable: buffer.isOutput)
      if !buffer.isOutput, let tensor = inputs[buffer.name] {
        memory.fill((0..<tensor.count).map { Float(tensor[$0]) })
      }
      add(memory)
    }
  }

  private mutating func add(_ memory: LoopMemory) {
    places[memory.name] = memories.count
    memories.append(memory)
  }

  private func fault(_ name: String, _ error: MemoryError) -> Fault {
    Fault(program: name, message: error.message)
  }

  // MARK: The whole call

  private mutating func run(parts: Int) throws(Fault) {
    if program.onlyKernel != nil {
      try steps(0..<rows, parts: parts)
      return
    }
    var totals: [String: [Float]] = [:]
    for first in stride(from: 0, to: rows, by: program.blockRows) {
      let block = first..<min(first + program.blockRows, rows)
      // What a block leaves in panels and sums is its own.
      memories.removeLast(memories.count - program.buffers.count)
      for panel in program.panels {
        add(
          LoopMemory(
            name: panel.name, storage: panel.storage, rows: block.count, columns: panel.columns,
            stride: panel.stride))
      }
      for total in program.totals {
        var sums = LoopMemory(
          name: total.name, storage: .f32, rows: 1, columns: total.count, stride: total.count)
        sums.fill([Float](repeating: 0, count: total.count))
        add(sums)
      }
      // A total over rows is a chain in the order of the rows: one part takes a whole block.
      try steps(block, parts: program.totals.isEmpty ? parts : 1)
      for total in program.totals {
        let sums = try rows(of: total.name)
        totals[total.name] = totals[total.name].map { zip($0, sums).map { $0 + $1 } } ?? sums
      }
    }
    for total in program.totals {
      var sums = totals[total.name] ?? [Float](repeating: 0, count: total.count)
      if total.reduction == .mean {
        let terms = Float(total.termsPerRow * rows)
        sums = sums.map { $0 / terms }
      }
      for output in total.outputs {
        guard let place = places[output] else { continue }
        let storage = memories[place].storage
        memories[place].fill(sums.map { ExactArithmetic.rounded($0, to: storage) })
      }
    }
  }

  /// All steps for a block of rows, each by all parts before the next begins.
  private mutating func steps(_ block: Range<Int>, parts: Int) throws(Fault) {
    for step in program.steps {
      switch step {
      case .rows(let kernels):
        for part in 0..<parts {
          let share = block.count * part / parts..<block.count * (part + 1) / parts
          for kernel in kernels { try run(kernel, share, of: block) }
        }
      case .multiply(let products):
        for product in products { try multiply(product, rows: block.count) }
      case .accumulate(let accumulations):
        for accumulation in accumulations { try accumulate(accumulation, rows: block.count) }
      }
    }
  }

  /// A row program for some rows of a block.
  private mutating func run(
    _ kernel: LoopKernel, _ share: Range<Int>, of block: Range<Int>
  ) throws(Fault) {
    var own: [String: RowMachine.Place] = [:]
    var strides: [String: Int] = [:]
    for buffer in kernel.buffers {
      let view = views[buffer.name]
      let base = view?.base ?? buffer.name
      guard let place = places[base] else {
        throw Fault(program: kernel.name, message: "'\(buffer.name)' lies nowhere")
      }
      let stride = memories[place].stride
      // Panels hold a block, parameters all rows.
      let row =
        buffer.shape.hasRows ? share.lowerBound + (panels[base] == nil ? block.lowerBound : 0) : 0
      let column = view?.offset ?? 0
      own[buffer.name] = RowMachine.Place(
        memory: place, offset: row * stride + column,
        columns: column..<column + buffer.shape.elementsPerRow)
      strides[buffer.name] = stride
    }
    do throws(MemoryError) {
      var machine = RowMachine(
        kernel, rows: share.count, memories: memories, places: own, strides: strides)
      // One owner, or every store would copy.
      memories = []
      try machine.run()
      memories = machine.memories
    } catch { throw fault(kernel.name, error) }
  }

  // MARK: Products and sums over rows

  private func rows(of name: String) throws(Fault) -> [Float] {
    guard let place = places[name] else {
      throw Fault(program: program.name, message: "'\(name)' lies nowhere")
    }
    do throws(MemoryError) { return try memories[place].rows() } catch {
      throw fault(program.name, error)
    }
  }

  private mutating func multiply(_ product: Multiplication, rows count: Int) throws(Fault) {
    let x = try rows(of: product.x)
    let weights = try rows(of: product.weights)
    var sums = [Float](repeating: 0, count: count * product.columns)
    for column in 0..<product.columns {
      let own = ExactSums.column(
        column, of: weights, depth: product.depth, layout: product.matmul.layout)
      for row in 0..<count {
        sums[row * product.columns + column] = ExactSums.product(
          Array(x[row * product.depth..<(row + 1) * product.depth]), own,
          product.matmul.accumulation)
      }
    }
    guard let place = places[product.sums] else { return }
    memories[place].fill(sums)
  }

  private mutating func accumulate(_ accumulation: Accumulation, rows count: Int) throws(Fault) {
    guard let place = places[accumulation.total] else { return }
    switch accumulation.terms {
    case .columns(let x, let y, let repeats):
      let terms = try rows(of: x)
      let factors = try y.map { name throws(Fault) in try rows(of: name) }
      let elements = memories[place].columns
      memories[place].fill(
        ExactSums.overRows(
          terms, times: factors, rows: count, perRow: elements * repeats, count: elements))
    case .outer(let x, let y, let rows, let columns):
      memories[place].fill(
        ExactSums.outer(
          try self.rows(of: x), try self.rows(of: y), rows: count, extents: (rows, columns)))
    }
  }
}
