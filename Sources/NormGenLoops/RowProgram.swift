public import NormGenIR

/// A region as explicit loops over rows and vectors, for one number of lanes.
///
/// Everything that fixes the bits is fixed in the graph already; the loops only say in which
/// order independent work is done and where values live meanwhile.
public struct RowProgram: Hashable, Sendable {
  /// The name, unique in the kernel.
  public let name: String
  /// The parameters: inputs, then outputs.
  public let buffers: [Buffer]
  /// Float32 lanes of a vector.
  public let lanes: Int
  /// What is done for one index of `rows`, or for one tile, under the loop over rows.
  public let row: [Stmt]
  /// The number of rows that are handled together; what is left over is handled row by row.
  public let tile: Int
  /// The scalars that every row of a tile has one of, in the order in which they are set.
  public let tileScalars: [String]
  /// The groups that every row of a tile has one of.
  public let tileGroups: Set<String>
  /// The schedule in words, for the head of the emitted file and `explain`.
  public let summary: [String]

  /// The statements for one index of `rows`.
  public var statementCount: Int { row.reduce(0) { $0 + $1.count } }

  /// Creates a row program without checking it; see ``LoopVerifier``.
  public init(
    name: String, buffers: [Buffer], lanes: Int, row: [Stmt], tile: Int = 1,
    tileScalars: [String] = [], tileGroups: Set<String> = [], summary: [String]
  ) {
    self.name = name
    self.buffers = buffers
    self.lanes = lanes
    self.row = row
    self.tile = tile
    self.tileScalars = tileScalars
    self.tileGroups = tileGroups
    self.summary = summary
  }
}

/// A tensor parameter.
public struct Buffer: Hashable, Sendable {
  /// The parameter's name, unique in the kernel.
  public let name: String
  /// The type of the elements in memory.
  public let storage: DType
  /// The shape; with `rows` the parameter has a row stride.
  public let shape: Shape
  /// Whether the kernel writes it.
  public let isOutput: Bool
  /// Whether every row adds to what the rows before have left in it.
  public let isAccumulated: Bool

  /// Creates a parameter.
  public init(
    name: String, storage: DType, shape: Shape, isOutput: Bool, isAccumulated: Bool = false
  ) {
    self.isAccumulated = isAccumulated
    self.name = name
    self.storage = storage
    self.shape = shape
    self.isOutput = isOutput
  }
}

extension Graph {
  /// The tensors that a kernel of the graph reads and writes: inputs, then outputs.
  public var buffers: [Buffer] {
    let read = inputs.compactMap { id -> Buffer? in
      guard case .input(let name, let storage) = self[id].op else { return nil }
      return Buffer(name: name, storage: storage, shape: self[id].shape, isOutput: false)
    }
    let written = outputs.map { output in
      Buffer(
        name: output.name, storage: output.storage, shape: self[output.value].shape, isOutput: true)
    }
    return read + written
  }
}

/// A place in a buffer or scratch row that elements are counted from.
public struct Pointer: Hashable, Sendable {
  /// The name, unique among those that are seen together.
  public let name: String
  /// The type of the elements.
  public let storage: DType

  /// Creates a pointer.
  public init(name: String, storage: DType) {
    self.name = name
    self.storage = storage
  }
}

/// The canonical order as it looks from a vector unit.
public enum Partials {
  /// Vectors that hold the 64 partials.
  public static func vectors(lanes: Int) -> Int { SumOrder.partials / lanes }
}
