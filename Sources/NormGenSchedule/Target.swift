public import NormGenIR
public import NormGenLoops

/// An instruction set that kernels are emitted for.
///
/// A target names its SIMD templates; everything else about it is numbers. All targets give the
/// same bits.
public struct Target: Hashable, Sendable {
  /// The name in the CLI and in emitted names.
  public let name: String
  /// The templates `simd/<template>.h.in`, one behind the other. What the last one defines no other
  /// file defines for the target: it takes the place of what it shares a name with.
  public let templates: [String]
  /// Float32 lanes of a vector.
  public let lanes: Int
  /// The architecture in LLVM's triple, nil if the target runs anywhere.
  public let architecture: String?
  /// The macro that C compilers define on the architecture, nil if the target runs anywhere.
  public let guardMacro: String?
  /// The instruction sets that an emitted file enables for its own functions, by their names in
  /// `target` attributes; nil for what every machine of the architecture has.
  public let functionFeatures: String?
  /// Compiler arguments that select the instruction set.
  public let compilerArguments: [String]
  /// CPU features, by their names in `/proc/cpuinfo`, that running the code needs.
  public let requiredFeatures: [String]
  /// Whether stores can bypass the caches.
  public let hasStreamingStores: Bool
  /// Whether vectors are rounded to bf16, i8 or u8 together for less.
  public let pairsHalfStores: Bool
  /// Whether one instruction adds the four products of any bytes to a sum of 32 bits.
  public let hasWideQuadDots: Bool
  /// The tiles of products, for each accumulation the one that is taken first and what else a schedule
  /// may choose.
  public let dots: [DotTile]
  /// Vectors of partials that registers hold beside what a pass computes of them; nil for as many
  /// as there are.
  public let partialVectors: Int?

  /// Creates a target.
  ///
  /// - Parameter templates: Its SIMD templates, by default the one of its name.
  public init(
    name: String, templates: [String]? = nil, lanes: Int, architecture: String?,
    guardMacro: String?, functionFeatures: String?, compilerArguments: [String],
    requiredFeatures: [String], hasStreamingStores: Bool = false, pairsHalfStores: Bool = false,
    hasWideQuadDots: Bool = false, dots: [DotTile] = Target.dots([(4, 2), (2, 4)]),
    partialVectors: Int? = nil
  ) {
    self.name = name
    self.templates = templates ?? [name]
    self.lanes = lanes
    self.architecture = architecture
    self.guardMacro = guardMacro
    self.functionFeatures = functionFeatures
    self.compilerArguments = compilerArguments
    self.requiredFeatures = requiredFeatures
    self.hasStreamingStores = hasStreamingStores
    self.pairsHalfStores = pairsHalfStores
    self.hasWideQuadDots = hasWideQuadDots
    self.dots = dots
    self.partialVectors = partialVectors
  }

  /// All targets, the most capable last for each architecture.
  public static let all: [Target] = [
    .portable, .neon, .neondot, .avx2, .avx512, .avx512vnni, .avx512bf16,
  ]

  /// Those whose code is their own for every kernel: that of neondot and avx512vnni is neon's and avx512's
  /// but for products of integers.
  public static let general: [Target] = all.filter { ![.neondot, .avx512vnni].contains($0) }

  /// Whether the code of a graph is another than that of any other target.
  public func hasOwnCode(for graph: Graph) -> Bool {
    if Target.general.contains(self) { return true }
    return graph.nodes.contains { node in
      if case .matmul(let matmul) = node.op { matmul.accumulation == .int8 } else { false }
    }
  }

  /// The target called `name`.
  public static func named(_ name: String) -> Target? { all.first { $0.name == name } }
}

extension Target {
  /// Tiles of the same extents for every accumulation, and others for integers, whose sums of a group take
  /// registers beside the chains.
  public static func dots(
    _ extents: [(rows: Int, vectors: Int)],
    integers: [(rows: Int, vectors: Int)] = [(4, 2), (2, 4)]
  ) -> [DotTile] {
    Matmul.Accumulation.allCases.flatMap { accumulation in
      (accumulation == .int8 ? integers : extents).map {
        DotTile(accumulation, rows: $0.rows, vectors: $0.vectors)
      }
    }
  }

  /// The tile of a product of integers whose sums are over all k: as many rows as that of other products,
  /// since sums take the chains' registers, less two where halves of words take registers, too.
  ///
  /// - Parameter choice: Which of those that there are, as in ``dot(for:choice:)``.
  public func wholeIntegerTile(choice: Int = 0) -> DotTile {
    let tile = dot(for: .fused, choice: choice)
    let rows = hasWideQuadDots ? tile.rows : max(tile.rows - 2, 1)
    return DotTile(.int8, rows: rows, vectors: tile.vectors)
  }

  /// The tile for an accumulation.
  ///
  /// - Parameter choice: Which of those that there are for it, counted from 0; the last for any beyond.
  public func dot(for accumulation: Matmul.Accumulation, choice: Int = 0) -> DotTile {
    let tiles = dots.filter { $0.accumulation == accumulation }
    guard !tiles.isEmpty else { return DotTile(accumulation, rows: 1, vectors: 1) }
    return tiles[min(max(choice, 0), tiles.count - 1)]
  }
}

extension Target: CustomStringConvertible {
  public var description: String { name }
}
