extension Target {
  /// AArch64 with its baseline SIMD.
  public static let neon = Target(
    name: "neon", lanes: 4, architecture: "aarch64", guardMacro: "__aarch64__",
    functionFeatures: nil, compilerArguments: [],
    requiredFeatures: [], dots: Target.dots([(14, 2), (8, 3)], integers: [(6, 2), (4, 3)]))
}
