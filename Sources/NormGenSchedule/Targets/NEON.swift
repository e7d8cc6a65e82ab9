extension Target {
  /// AArch64 with its baseline SIMD.
  public static let neon = Target(
    name: "neon", lanes: 4, architecture: "aarch64", compilerArguments: [],
    requiredFeatures: [])
}
