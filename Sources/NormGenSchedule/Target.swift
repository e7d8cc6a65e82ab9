/// An instruction set that kernels are emitted for.
///
/// A target names its SIMD template; everything else about it is numbers. All targets give the
/// same bits.
public struct Target: Hashable, Sendable {
  /// The name in the CLI and of the template `simd/<name>.h.in`.
  public let name: String
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
  /// CPU features that the code uses where the compiler may assume them; the bits are the same.
  public let optionalFeatures: [OptionalFeature]
  /// Whether stores can bypass the caches.
  public let hasStreamingStores: Bool
  /// Whether two vectors are rounded to bf16 together for less.
  public let pairsHalfStores: Bool

  /// Creates a target.
  public init(
    name: String, lanes: Int, architecture: String?, guardMacro: String?,
    functionFeatures: String?, compilerArguments: [String], requiredFeatures: [String],
    optionalFeatures: [OptionalFeature] = [], hasStreamingStores: Bool = false,
    pairsHalfStores: Bool = false
  ) {
    self.name = name
    self.lanes = lanes
    self.architecture = architecture
    self.guardMacro = guardMacro
    self.functionFeatures = functionFeatures
    self.compilerArguments = compilerArguments
    self.requiredFeatures = requiredFeatures
    self.optionalFeatures = optionalFeatures
    self.hasStreamingStores = hasStreamingStores
    self.pairsHalfStores = pairsHalfStores
  }

  /// All targets, the most capable last for each architecture.
  public static let all: [Target] = [.portable, .neon, .avx2, .avx512]

  /// The target called `name`.
  public static func named(_ name: String) -> Target? { all.first { $0.name == name } }
}

/// An instruction set that speeds a target up where the processor has it.
public struct OptionalFeature: Hashable, Sendable {
  /// The feature's name in `/proc/cpuinfo`.
  public let name: String
  /// The compiler argument that allows its use.
  public let compilerArgument: String

  /// Creates a feature.
  public init(name: String, compilerArgument: String) {
    self.name = name
    self.compilerArgument = compilerArgument
  }
}

extension Target: CustomStringConvertible {
  public var description: String { name }
}
