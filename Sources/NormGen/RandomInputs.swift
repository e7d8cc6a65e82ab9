public import NormGenIR
public import NormGenTensors

/// Seeded inputs for checks and benchmarks.
public enum RandomInputs {
  /// A tensor for each input of `graph`: normal values of deviation 1, parameters around 1.
  ///
  /// Inputs with rows get mean 0; inputs without rows (gains, shifts) get mean 1 and deviation
  /// 0.25, so that a dropped or misplaced one shows. The weights of a matmul get mean 0 and
  /// deviation 1/√K, so that products keep the deviation of what they multiply; above
  /// ``largestDrawnCount`` elements they are chosen from a table of such values. Values stored as
  /// i8 or u8 are whole numbers of deviation 40 and mean 0 or 128: most of the range, some saturated.
  ///
  /// - Throws: `TensorError` when a tensor does not fit memory.
  public static func tensors(
    for graph: Graph, rows: Int, seed: UInt64
  ) throws(TensorError) -> [String: HostTensor] {
    var generator = SeededGenerator(seed: seed)
    var tensors: [String: HostTensor] = [:]
    let weights = weightInputs(of: graph)
    let blocks = graph.blockInputs
    for id in graph.inputs {
      guard case .input(let name, let storage) = graph[id].op else { continue }
      let node = graph[id]
      let shape = node.shape.extents(rows: rows)
      let count = try HostTensor.count(of: shape)
      if let blocks = blocks[id] {
        let deviation = 1 / Double(graph[blocks.value].shape.rowExtent).squareRoot()
        tensors[name] = try blocks.format.drawn(shape, deviation: deviation, &generator)
        continue
      }
      let (mean, deviation): (Double, Double) =
        if let integers = storage.integers {
          ((integers.lowerBound + integers.upperBound + 1) / 2, 40)
        } else if node.shape.hasRows {
          (0, 1)
        } else if let terms = weights[id] {
          (0, 1 / Double(terms).squareRoot())
        } else {
          (1, 0.25)
        }
      if weights[id] != nil, count > largestDrawnCount {
        tensors[name] = try chosen(shape, storage, mean, deviation, &generator)
      } else {
        tensors[name] = try HostTensor(shape: shape, storage) {
          mean + generator.normal() * deviation
        }
      }
    }
    return tensors
  }

  /// Weights with more elements are chosen from a table: each drawn anew, those of a model's layer
  /// would take many seconds.
  static let largestDrawnCount = 1 << 20

  /// A tensor whose elements are chosen from 4096 normal values.
  private static func chosen(
    _ shape: [Int], _ storage: DType, _ mean: Double, _ deviation: Double,
    _ generator: inout SeededGenerator
  ) throws(TensorError) -> HostTensor {
    let table = (0..<4096).map { _ in storage.bits(nearest: mean + generator.normal() * deviation) }
    var tensor = try HostTensor(zeros: shape, storage)
    tensor.withUnsafeMutableBytes { bytes in
      switch storage {
      case .f32: fill(bytes.bindMemory(to: UInt32.self), from: table, &generator)
      case .bf16, .f16:
        let halves = table.map { UInt16(truncatingIfNeeded: $0) }
        fill(bytes.bindMemory(to: UInt16.self), from: halves, &generator)
      case .i8, .u8, .f8E4M3, .f8E5M2:
        let bytewise = table.map { UInt8(truncatingIfNeeded: $0) }
        fill(bytes.bindMemory(to: UInt8.self), from: bytewise, &generator)
      }
    }
    return tensor
  }

  /// Chooses five elements with each 64 random bits.
  private static func fill<Bits>(
    _ elements: UnsafeMutableBufferPointer<Bits>, from table: [Bits],
    _ generator: inout SeededGenerator
  ) {
    table.withUnsafeBufferPointer { table in
      for start in stride(from: 0, to: elements.count, by: 5) {
        var choices = generator.next()
        for index in start..<min(start + 5, elements.count) {
          elements[index] = table[Int(choices & 4095)]
          choices >>= 12
        }
      }
    }
  }

  /// The inputs that are a matmul's weights, with the number of products that they are summed in.
  private static func weightInputs(of graph: Graph) -> [ValueID: Int] {
    var found: [ValueID: Int] = [:]
    for node in graph.nodes {
      guard case .matmul = node.op, node.operands.count == 2 else { continue }
      let terms = graph[node.operands[0]].shape.rowExtent
      let count = graph[node.operands[1]].shape.elementsPerRow
      var pending = [node.operands[1]]
      var seen: Set<ValueID> = []
      while let id = pending.popLast() {
        // Of what weights are computed from, those with an element for each are weights, too.
        if graph[id].inputName != nil, graph[id].shape.elementsPerRow == count,
          !graph[id].shape.hasRows
        {
          found[id] = terms
        }
        pending += graph[id].operands.filter { seen.insert($0).inserted }
      }
    }
    return found
  }
}
