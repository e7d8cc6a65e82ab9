extension Target {
  /// x86-64-v4: AVX-512 F, BW, DQ and VL.
  public static let avx512 = Target(
    name: "avx512", lanes: 16, architecture: "x86_64", guardMacro: "__x86_64__",
    functionFeatures: "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c",
    compilerArguments: ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    requiredFeatures: ["avx512f", "avx512bw", "avx512dq", "avx512vl"],
    hasStreamingStores: true, pairsHalfStores: true,
    dots: Target.dots([(14, 2), (8, 3)], integers: [(6, 2), (4, 3)]))

  /// The same with AVX512_VNNI: sums of products of bytes by one instruction.
  public static let avx512vnni = Target(
    name: "avx512vnni", templates: avx512.templates + ["avx512vnni"], lanes: avx512.lanes,
    architecture: avx512.architecture, guardMacro: avx512.guardMacro,
    functionFeatures: "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c",
    compilerArguments: avx512.compilerArguments + ["-mavx512vnni"],
    requiredFeatures: avx512.requiredFeatures + ["avx512_vnni"],
    hasStreamingStores: avx512.hasStreamingStores, pairsHalfStores: avx512.pairsHalfStores,
    hasWideQuadDots: true, dots: avx512.dots)

  /// The same with AVX512_BF16: bf16 dot products, and conversions to bf16, by instructions.
  public static let avx512bf16 = Target(
    name: "avx512bf16", templates: avx512vnni.templates + ["avx512bf16"], lanes: avx512.lanes,
    architecture: avx512.architecture, guardMacro: avx512.guardMacro,
    functionFeatures: "avx512bf16,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c",
    compilerArguments: avx512vnni.compilerArguments + ["-mavx512bf16"],
    requiredFeatures: avx512vnni.requiredFeatures + ["avx512_bf16"],
    hasStreamingStores: avx512.hasStreamingStores, pairsHalfStores: avx512.pairsHalfStores,
    hasWideQuadDots: true, dots: avx512.dots)
}
