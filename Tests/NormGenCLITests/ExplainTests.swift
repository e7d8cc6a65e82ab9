import NormGen
@testable import NormGenCLI
import Testing

@Suite struct ExplainTests {
  @Test func theSummaryHasTextPlanScheduleAndCost() throws {
    let result = try CommandLineFixture.normgen(
      ["explain", "partial_rms_norm_4096_bf16", "--target", "avx2"])
    #expect(result.status == 0, "\(result.errors)")
    for expected in [
      "kernel partial_rms_norm_4096_bf16(x: bf16[rows, 4096], gain: bf16[4096]) {",
      "region partial_rms_norm_4096_bf16: rows of 4096, 2 passes",
      "target avx2: 8 Float32 lanes", "strategy row_streaming",
      "row_streaming: the first that applies", "the last pass handles 4 rows together",
      "bytes read per row            8192", "bytes written per row         8192",
      "bytes of parameters per call  8192", "256 elements, then the whole row",
    ] {
      #expect(result.output.contains(expected), "\(expected)")
    }
  }

  @Test func stagesComeInTheOrderOfThePipelineUnderHeadings() throws {
    let result = try CommandLineFixture.normgen([
      "explain", "rms_norm_128_f32", "--target", "avx2", "--stage",
      "asm,llvm,c,functions,loops,schedule,regions,graph",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let headings = result.output.split(separator: "\n").filter { $0.hasPrefix("== ") }
    #expect(
      headings.map(String.init)
        == ["graph", "regions", "schedule", "loops", "functions", "c", "llvm", "asm"].map {
          "== \($0): rms_norm_128_f32, avx2"
        })
    for expected in [
      "kernel rms_norm_128_f32(", "region rms_norm_128_f32: rows of 128", "strategy row_streaming",
      "loops rms_norm_128_f32(", "void rms_norm_128_f32_avx2(", "define ", ".globl",
    ] {
      #expect(result.output.contains(expected), "\(expected)")
    }
  }

  @Test func aStageAloneIsThatStage() throws {
    let entry = try #require(Catalog.standard["layer_norm_768_f32"])
    let lowering = try Compiler(target: .neon).lower(entry.kernel)
    let result = try CommandLineFixture.normgen(
      ["explain", "layer_norm_768_f32", "--target", "neon", "--stage", "c"])
    #expect(
      result.output == "== c: layer_norm_768_f32, neon\n\n" + lowering.source.source + "\n")
  }

  @Test func aForeignTargetsAssemblyIsThatTargets() throws {
    let result = try CommandLineFixture.normgen(
      ["explain", "rms_norm_128_f32", "--target", "neon", "--stage", "asm"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("fmla"))
  }

  @Test func matmulsShowTheirMemoryAndTheReasonsOfTheirSchedule() throws {
    let kernel = "linear_gelu_384_1536_f32"
    let result = try CommandLineFixture.normgen(["explain", kernel, "--target", "avx512"])
    #expect(result.status == 0, "\(result.errors)")
    for expected in [
      "w_up_sums = x_rows × packed w_up (384 × 1536 f32)", "14 rows × 2 vectors",
      "chunks of 112 rows: with so many", "w_up is read packed", "589824 fma",
      "panel bytes per row           7808",
      "scratch bytes of a call       7872 for 1 row, 874560 for 112 rows and more",
      "bytes read per row            1536", "bytes written per row         6144",
      "bytes of parameters per call  \(384 * 1536 * 4 + 1536 * 4)",
    ] {
      #expect(result.output.contains(expected), "\(expected)")
    }
    let forced = try CommandLineFixture.normgen([
      "explain", kernel, "--target", "avx512", "--plain-weights", "--chunk-rows", "20",
    ])
    for expected in [
      "x_rows × plain w_up", "chunks of 28 rows, as asked for",
      "w_up is read as it is, as asked for",
    ] {
      #expect(forced.output.contains(expected), "\(expected)")
    }
  }

  @Test func schedulesOfMatmulsThatMeanNothingAreRefused() throws {
    for rows in ["0", "-3", "65537"] {
      let result = try CommandLineFixture.normgen([
        "explain", "linear_gelu_384_1536_f32", "--chunk-rows=\(rows)",
      ])
      #expect(result.status == 64)
      #expect(
        result.errors.contains("--chunk-rows: expected a number from 1 to 65536, found \(rows)"))
    }
    for option in [["--plain-weights"], ["--chunk-rows", "28"]] {
      let result = try CommandLineFixture.normgen(["explain", "rms_norm_128_f32"] + option)
      #expect(result.status == 1)
      #expect(result.errors.contains("a schedule for matmuls is given, but it has none"))
      #expect(try CommandLineFixture.normgen(["emit", "--catalog"] + option).status == 64)
    }
  }

  @Test func allKernelsOfAFileAreExplained() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    let result = try CommandLineFixture.normgen(
      ["explain", "two.ng", "--stage", "graph"], in: directory)
    #expect(result.output.contains("kernel first_norm("))
    #expect(result.output.contains("kernel second_norm("))
  }
}
