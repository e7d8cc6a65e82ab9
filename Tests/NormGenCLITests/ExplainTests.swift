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
      "row_resident: does not apply", "row_streaming: the first that applies",
      "bytes read per row            8192", "bytes written per row         8192",
      "bytes of parameters per call  8192", "256 elements, then the whole row",
    ] {
      #expect(result.output.contains(expected), "\(expected)")
    }
  }

  @Test func stagesComeInTheOrderOfThePipelineUnderHeadings() throws {
    let result = try CommandLineFixture.normgen([
      "explain", "rms_norm_128_f32", "--target", "avx2", "--stage",
      "asm,llvm,c,loops,schedule,regions,graph",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let headings = result.output.split(separator: "\n").filter { $0.hasPrefix("== ") }
    #expect(
      headings.map(String.init)
        == ["graph", "regions", "schedule", "loops", "c", "llvm", "asm"].map {
          "== \($0): rms_norm_128_f32, avx2"
        })
    for expected in [
      "kernel rms_norm_128_f32(", "region rms_norm_128_f32: rows of 128", "strategy row_resident",
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

  @Test func allKernelsOfAFileAreExplained() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    let result = try CommandLineFixture.normgen(
      ["explain", "two.ng", "--stage", "graph"], in: directory)
    #expect(result.output.contains("kernel first_norm("))
    #expect(result.output.contains("kernel second_norm("))
  }
}
