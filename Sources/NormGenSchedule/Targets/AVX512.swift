extension Target {
  /// x86-64-v4: AVX-512 F, BW, DQ and VL.
  public static let avx512 = Target(
    name: "avx512", lanes: 16, architecture: "x86_64", guardMacro: "__x86_64__",
    functionFeatures: "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c",
    compilerArguments: ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    requiredFeatures: ["avx512f", "avx512bw", "avx512dq", "avx512vl"],
    optionalFeatures: [
      OptionalFeature(name: "avx512_bf16", compilerArgument: "-mavx512bf16")
    ],
    hasStreamingStores: true, pairsHalfStores: true,
    matmulTile: MatmulTile(rows: 14, vectors: 2))
}
