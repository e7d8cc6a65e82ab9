extension Target {
  /// AArch64 with its baseline SIMD.
  public static let neon = Target(
    name: "neon", lanes: 4, architecture: "aarch64", guardMacro: "__aarch64__",
    functionFeatures: nil, compilerArguments: [],
    requiredFeatures: [], dots: Target.dots([(14, 2), (8, 3)], integers: [(6, 2), (4, 3)]))

  /// The same with the dot products of Armv8.2: sums of products of bytes by one instruction.
  public static let neondot = Target(
    name: "neondot", templates: neon.templates + ["neondot"], lanes: neon.lanes,
    architecture: neon.architecture, guardMacro: neon.guardMacro,
    functionFeatures: "arch=armv8.2-a+dotprod", compilerArguments: ["-march=armv8.2-a+dotprod"],
    requiredFeatures: ["asimddp"], dots: neon.dots)
}
