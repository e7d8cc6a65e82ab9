extension Target {
  /// C11 with vector extensions, for any CPU; fused multiply-add is emulated where missing.
  public static let portable = Target(
    name: "portable", lanes: 4, architecture: nil, guardMacro: nil,
    functionFeatures: nil, compilerArguments: [], requiredFeatures: [])
}
