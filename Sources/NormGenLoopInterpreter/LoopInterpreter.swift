import NormGenIR
public import NormGenLoops
public import NormGenTensors

/// Runs the lowered functions of a kernel, without C and without a compiler.
///
/// It executes them as they are, lane by lane: row programs, packing, products, sums over rows and the
/// driver with its phases and parts. It checks every access against the memory that is declared for it,
/// and knows nothing of the graph. Where its bits are those of the exact interpreter and a compiled
/// kernel's are not, the mistake is in what prints or compiles the functions; where its bits are others,
/// in what made them. It is slow: for small extents and few rows.
public struct LoopInterpreter {
  /// What a kernel does that it may not do.
  public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kernel's symbol.
    public let kernel: String
    /// What happens, and where.
    public let message: String

    public var description: String { "the loops of '\(kernel)': \(message)" }
  }

  /// Elements between the rows of a parameter that belong to nobody.
  private static let gap = 3

  /// The outputs of a kernel, by name.
  ///
  /// - Parameters:
  ///   - module: The functions.
  ///   - rows: The number of rows.
  ///   - inputs: A tensor for every input, of the declared type and shape.
  ///   - parts: How many parts share the call, one after the other in each phase. No bit depends on it.
  /// - Throws: ``Fault`` for an access outside the declared memory, a value that is used before it is
  ///   written, an output that is not written; `TensorError` where an output does not fit memory.
  public static func outputs(
    of module: LoopModule, rows: Int, inputs: [String: HostTensor], parts: Int = 1
  ) throws -> [String: HostTensor] {
    let memories: [LoopMemory]
    do throws(MemoryError) {
      memories = try run(module, rows: rows, inputs: inputs, parts: max(parts, 1))
    } catch { throw Fault(kernel: module.interface.symbol, message: error.message) }
    var outputs: [String: HostTensor] = [:]
    for (parameter, memory) in zip(module.interface.parameters, memories)
    where parameter.buffer.isOutput {
      let values: [Float]
      do throws(MemoryError) { values = try memory.rows() } catch {
        throw Fault(kernel: module.interface.symbol, message: error.message)
      }
      let buffer = parameter.buffer
      outputs[buffer.name] = try HostTensor(
        values.map(Double.init), shape: buffer.shape.extents(rows: rows), buffer.storage)
    }
    return outputs
  }

  /// About how many operations on vectors and terms of products a run takes.
  public static func cost(of program: LoopProgram, rows: Int) -> Int {
    let lanes = program.lanes
    let statements = program.rowPrograms.reduce(0) { sum, rowProgram in
      let elements = rowProgram.buffers.map(\.shape.elementsPerRow).max() ?? 1
      return sum + rowProgram.statementCount * (elements / rowProgram.lanes / 8 + 1)
    }
    // A few operations for each vector of terms, and for each weight that is packed or gathered.
    let terms = program.products.reduce(0) { $0 + $1.depth * ($1.columns / lanes + 1) }
    let weights = program.products.reduce(0) { $0 + $1.depth * $1.columns / 2 }
    let computed = program.weights.reduce(0) { sum, weights in
      sum + weights.rows * weights.rowProgram.statementCount
        * (weights.columns / weights.rowProgram.lanes / 8 + 1)
    }
    let sums = program.summations.reduce(0) { sum, summation in
      switch summation.terms {
      case .columns(_, _, let repeats): sum + repeats
      case .outer(_, _, let rows, let columns): sum + rows * (columns / lanes + 1)
      }
    }
    return rows * (statements + terms + sums) + weights + computed
  }

  // MARK: The call

  /// The parameters' memory after a call.
  private static func run(
    _ module: LoopModule, rows: Int, inputs: [String: HostTensor], parts: Int
  ) throws(MemoryError) -> [LoopMemory] {
    let interface = module.interface
    guard rows >= 0 else { throw MemoryError(message: "has \(rows) rows") }
    var memories: [LoopMemory] = []
    for parameter in interface.parameters {
      guard let packing = parameter.packing else {
        memories.append(try memory(of: parameter.buffer, rows: rows, inputs))
        continue
      }
      var sources: [LoopMemory] = []
      for source in packing.sources {
        sources.append(try memory(of: source, rows: rows, inputs))
      }
      memories.append(try packed(parameter.buffer, of: sources, packing, by: module))
    }
    let tensors = interface.parameters.enumerated().flatMap {
      index, parameter -> [LoopMachine.Value] in
      let place = LoopMachine.Value.place(memories[index].place(index))
      return parameter.buffer.shape.hasRows ? [place, .index(memories[index].stride)] : [place]
    }
    let phases = try number { () throws(IndexScope.Fault) in
      try module.phases(rows: rows, parts: parts)
    }
    let bytes = try number { () throws(IndexScope.Fault) in
      try module.scratchBytes(rows: rows, parts: parts)
    }
    var machine = LoopMachine(module, memories: memories, scratchBytes: bytes)
    if parts == 1 {
      try machine.call(
        interface.symbol, [.index(rows)] + tensors + (interface.takesScratch ? [.byte(0)] : []))
      return machine.memories
    }
    for phase in 0..<phases {
      // No part may read what another writes in the same phase: neither order may matter.
      for part in phase % 2 == 0 ? Array(0..<parts) : (0..<parts).reversed() {
        try machine.call(
          interface.parts.part,
          [.index(rows)] + tensors + [.byte(0), .index(phase), .index(part), .index(parts)])
      }
    }
    return machine.memories
  }

  private static func number(
    _ body: () throws(IndexScope.Fault) -> Int
  ) throws(MemoryError) -> Int {
    do throws(IndexScope.Fault) { return try body() } catch {
      throw MemoryError(message: error.description)
    }
  }

  /// The memory of a tensor before a call.
  private static func memory(
    of buffer: Buffer, rows: Int, _ inputs: [String: HostTensor]
  ) throws(MemoryError) -> LoopMemory {
    let columns = buffer.shape.elementsPerRow
    let count = buffer.shape.hasRows ? rows : 1
    var memory = LoopMemory(
      name: buffer.name, storage: buffer.storage, rows: count, columns: columns,
      stride: columns + (buffer.shape.hasRows ? gap : 0), isWritable: buffer.isOutput)
    if !buffer.isOutput, let tensor = inputs[buffer.name] {
      guard tensor.count == columns * count else {
        throw MemoryError(
          message: "takes \(tensor.count) elements for '\(buffer.name)' of \(buffer.shape)")
      }
      memory.fill((0..<tensor.count).map { Float(tensor[$0]) })
    }
    return memory
  }

  /// Weights in the order in which the kernel reads them.
  private static func packed(
    _ weights: Buffer, of sources: [LoopMemory], _ packing: KernelInterface.Packing,
    by module: LoopModule
  ) throws(MemoryError) -> LoopMemory {
    let packed = LoopMemory(
      name: "packed \(weights.name)", storage: weights.storage, rows: 1, columns: packing.elements,
      stride: packing.elements)
    let memories = sources + [packed]
    var machine = LoopMachine(module, memories: memories, scratchBytes: 0)
    try machine.call(
      packing.symbol,
      memories.enumerated().map { .place($1.place($0)) })
    return machine.memories[sources.count]
  }
}

extension LoopMemory {
  /// The place of the first element in the memory at an index.
  fileprivate func place(_ index: Int) -> LoopMachine.Place {
    LoopMachine.Place(memory: index, offset: 0, window: .all(of: self))
  }
}
