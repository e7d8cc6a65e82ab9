public import NormGenIR

/// A kernel as steps over a chunk of rows: row programs, and the products between them.
///
/// Every step finishes its work on the chunk before the next one begins; what passes from step to step
/// lies in panels. A kernel without matmuls is one step of row programs.
public struct LoopProgram: Hashable, Sendable {
  /// The kernel's name.
  public let name: String
  /// The parameters: inputs, then outputs. Computed weights are one, what they are computed from is none
  /// unless it has other uses.
  public let buffers: [Buffer]
  /// Float32 lanes of a vector.
  public let lanes: Int
  /// The most rows of a chunk; with totals it is a block of ``RowSumOrder``.
  public let chunkRows: Int
  /// The most rows of a product's tile: a chunk, and parts that take rows of their own, have whole ones.
  public let tileRows: Int
  /// What one step leaves for another.
  public let panels: [Panel]
  /// Columns of parameters and panels that row programs read or write under names of their own.
  public let views: [View]
  /// What is done with a chunk, in order.
  public let steps: [Step]
  /// What is taken over all rows, and stored when the last one is done.
  public let totals: [Total]
  /// Weights that are computed when they are packed, each a parameter.
  public let weights: [ComputedWeights]

  /// Consecutive columns of a parameter or panel.
  public struct View: Hashable, Sendable {
    /// The name, unique among views, panels and parameters.
    public let name: String
    /// The parameter or panel.
    public let base: String
    /// The first column.
    public let offset: Int

    /// Creates a view.
    public init(name: String, base: String, offset: Int) {
      self.name = name
      self.base = base
      self.offset = offset
    }
  }

  /// One step over a chunk of rows.
  public enum Step: Hashable, Sendable {
    /// Row programs that do not depend on each other.
    case rows([RowProgram])
    /// Products of a panel's rows with weights.
    case multiply([Product])
    /// Sums over the chunk's rows, added to totals.
    case sumRows([RowSummation])
  }

  /// Creates a program without checking it; see ``LoopProgramVerifier``.
  public init(
    name: String, buffers: [Buffer], lanes: Int, chunkRows: Int, tileRows: Int = 1, panels: [Panel],
    views: [View] = [], steps: [Step], totals: [Total] = [], weights: [ComputedWeights] = []
  ) {
    self.weights = weights
    self.name = name
    self.buffers = buffers
    self.lanes = lanes
    self.chunkRows = chunkRows
    self.tileRows = tileRows
    self.panels = panels
    self.views = views
    self.steps = steps
    self.totals = totals
  }

  /// A program of one row program.
  public init(_ rowProgram: RowProgram) {
    self.init(
      name: rowProgram.name, buffers: rowProgram.buffers, lanes: rowProgram.lanes,
      chunkRows: rowProgram.tile,
      tileRows: rowProgram.tile, panels: [], steps: [.rows([rowProgram])])
  }

  /// How parts share the work of a call.
  public enum Division: Hashable, Sendable {
    /// Row programs and nothing between them: each part takes rows of its own through all of them.
    case rows
    /// With few rows parts share every step, with many each takes rows of its own through all steps.
    case steps
    /// Each block of rows is one part's and has totals of its own, which a last phase joins.
    case blocks
    /// Parts share every step of one chunk after the other, because all add to the same totals, which a
    /// last phase stores.
    case stepsOfChunks
  }

  /// How parts share the work of a call.
  public var division: Division {
    guard totals.isEmpty else { return summations.isEmpty ? .blocks : .stepsOfChunks }
    return steps.count == 1 && panels.isEmpty ? .rows : .steps
  }

  /// The row programs, in order.
  public var rowPrograms: [RowProgram] {
    steps.flatMap { step -> [RowProgram] in
      switch step {
      case .rows(let rowPrograms): rowPrograms
      case .multiply, .sumRows: []
      }
    }
  }

  /// The products, in order.
  public var products: [Product] {
    steps.flatMap { step -> [Product] in
      switch step {
      case .rows, .sumRows: []
      case .multiply(let products): products
      }
    }
  }

  /// The sums over the rows of panels, in order.
  public var summations: [RowSummation] {
    steps.flatMap { step -> [RowSummation] in
      switch step {
      case .rows, .multiply: []
      case .sumRows(let summations): summations
      }
    }
  }

  /// The schedule in words, for the head of the emitted file and `explain`.
  public var summary: [String] {
    if division == .rows { return rowPrograms.flatMap(\.summary) }
    var lines = ["\(steps.count) steps over a chunk of at most \(chunkRows) rows"]
    lines += weights.map(\.summary)
    for (number, step) in steps.enumerated() {
      switch step {
      case .rows(let rowPrograms):
        for rowProgram in rowPrograms {
          let words = rowProgram.summary.joined(separator: "; ")
          lines.append("step \(number + 1): \(words)")
        }
      case .multiply(let products):
        for product in products {
          lines.append("step \(number + 1): \(product.summary)")
        }
      case .sumRows(let summations):
        for summation in summations {
          lines.append("step \(number + 1): \(summation.summary)")
        }
      }
    }
    lines += panels.map(\.summary)
    lines += totals.map(\.summary)
    return lines
  }

  /// What a C compiler takes time for: the statements of all row programs and one for each
  /// product and sum over rows, and beside them what was measured that functions cost, four
  /// for a row program and eight for a total.
  public var statementCount: Int {
    (rowPrograms + weights.map(\.rowProgram)).reduce(
      products.count + summations.count + 8 * totals.count
    ) { $0 + $1.statementCount + 4 }
  }

  /// The most statements of a program, far above any model's: C compilers take more than
  /// proportionally longer for more of them, and half a minute for so many.
  public static let mostStatements = 8192
}

/// Rows that one step of a kernel leaves for another, in memory that the caller lends.
public struct Panel: Hashable, Sendable {
  /// The name, unique among the kernel's panels and parameters.
  public let name: String
  /// The type of the elements.
  public let storage: DType
  /// The elements of a row.
  public let columns: Int
  /// Elements from row to row.
  public let stride: Int

  /// Creates a panel.
  ///
  /// A row takes an odd number of cache lines, so that neighbouring rows do not compete for the
  /// same place of a cache, and whole ones, so that a product may write full vectors.
  ///
  /// - Parameter paddedTo: The columns that steps write or read at once; the row holds a multiple of
  ///   each.
  public init(name: String, storage: DType, columns: Int, paddedTo multiples: [Int] = []) {
    self.name = name
    self.storage = storage
    self.columns = columns
    let padded = multiples.map { (columns + $0 - 1) / $0 * $0 }.max() ?? columns
    let line = 64 / storage.byteCount
    self.stride = ((padded + line - 1) / line | 1) * line
  }

  /// Bytes of one row.
  public var bytesPerRow: Int { stride * storage.byteCount }

  var summary: String {
    "panel \(name): \(columns) \(storage.rawValue) a row, \(bytesPerRow) bytes"
  }
}

/// Weights that are computed from inputs, row by row, when they are packed.
public struct ComputedWeights: Hashable, Sendable {
  /// The parameter that holds them.
  public let name: String
  /// The type that holds them exactly.
  public let storage: DType
  /// The extent of their first axis, which counts the row program's rows.
  public let rows: Int
  /// The extent of their second axis.
  public let columns: Int
  /// The row program: its last parameter receives rows of the weights.
  public let rowProgram: RowProgram
  /// The inputs of the kernel that it reads, in the kernel's order.
  public let inputs: [Buffer]
  /// Where its other parameters lie in them, in order.
  public let sources: [Source]

  /// A parameter of the row program.
  public struct Source: Hashable, Sendable {
    /// Its name in the row program.
    public let name: String
    /// The kernel's input that holds it.
    public let parameter: String
    /// Whether it has a row for each of the weights' rows, or all rows share it.
    public let hasRows: Bool
    /// The input's elements before the first one.
    public let offset: Int
    /// The input's elements from row to row.
    public let stride: Int

    /// Creates a source.
    public init(name: String, parameter: String, hasRows: Bool, offset: Int, stride: Int) {
      self.name = name
      self.parameter = parameter
      self.hasRows = hasRows
      self.offset = offset
      self.stride = stride
    }
  }

  /// Creates computed weights.
  public init(
    name: String, storage: DType, rows: Int, columns: Int, rowProgram: RowProgram, inputs: [Buffer],
    sources: [Source]
  ) {
    self.inputs = inputs
    self.name = name
    self.storage = storage
    self.rows = rows
    self.columns = columns
    self.rowProgram = rowProgram
    self.sources = sources
  }

  var summary: String {
    let words = rowProgram.summary.joined(separator: "; ")
    return
      "weights \(name), computed from \(inputs.map(\.name).joined(separator: ", ")) when they are "
      + "packed: \(words)"
  }
}

/// Rows of a panel times a weight matrix, in the canonical order of ``MatmulOrder``.
public struct Product: Hashable, Sendable {
  /// The panel with the rows, `depth` columns of Float32, of bf16 for `bf16_dot`, of i8 for `int8`.
  public let x: String
  /// The parameter with the weights.
  public let weights: String
  /// The type of the weights in memory; u8 for blocks.
  public let storage: DType
  /// What the weights' blocks hold; nil if they are elements.
  public let format: BlockFormat?
  /// The panel that receives the sums, `columns` columns of Float32.
  public let sums: String
  /// K: terms of a sum.
  public let depth: Int
  /// N: sums of a row.
  public let columns: Int
  /// How the weights lie and how their products are added.
  public let matmul: Matmul
  /// The tile that it is cut into.
  public let tile: DotTile
  /// Whether the parameter holds packed weights.
  public let isPacked: Bool
  /// What a product of integers reads besides; nil for any other.
  public let integers: Integers?

  /// Panels beside a product's rows of integers.
  public struct Integers: Hashable, Sendable {
    /// The panel with the scales of the rows, Float32; nil if the weights are an i8 input.
    public let scales: String?
    /// How many successive integers share a scale; all of a row if there are none.
    public let group: Int
    /// The panel with the sums of integers that share the weights' factors, Float32; nil if none are needed.
    public let sums: String?

    /// Creates a description.
    public init(scales: String?, group: Int, sums: String?) {
      self.scales = scales
      self.group = group
      self.sums = sums
    }
  }

  /// Creates a product.
  public init(
    x: String, weights: String, storage: DType, format: BlockFormat? = nil, sums: String,
    depth: Int, columns: Int, matmul: Matmul, tile: DotTile, isPacked: Bool,
    integers: Integers? = nil
  ) {
    self.integers = integers
    self.format = format
    self.tile = tile
    self.x = x
    self.weights = weights
    self.storage = storage
    self.sums = sums
    self.depth = depth
    self.columns = columns
    self.matmul = matmul
    self.isPacked = isPacked
  }

  /// The elements of the weights in memory, bytes of blocks.
  public var weightElements: Int {
    guard let format else { return depth * columns }
    return depth / format.elementCount * format.byteCount * columns
  }

  var summary: String {
    let order = matmul.accumulation == .fused ? "" : ", \(matmul.accumulation.rawValue)"
    return "\(sums) = \(x) × \(isPacked ? "packed" : "plain") \(weights) "
      + "(\(depth) × \(columns) \(format?.name ?? storage.rawValue)\(order))"
  }
}
