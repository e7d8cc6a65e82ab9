import Foundation
import NormGen
@testable import NormGenCLI
import NormGenFuzz
import Testing

@Suite struct EmitTests {
  @Test func aKernelBecomesOnePairOfFiles() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32", "--target", "avx2", "-o", "made/here"], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    let names = ["made/here/rms_norm_128_f32_avx2.c", "made/here/rms_norm_128_f32_avx2.h"]
    #expect(directory.files == names)
    #expect(result.output.split(separator: "\n").map(String.init).sorted() == names)
    let source = try directory.text(of: names[0])
    #expect(source.contains("normgen emit rms_norm_128_f32 --target avx2\n"))
    // What is emitted is what the compiler makes and the JIT compiles.
    let entry = try #require(Catalog.standard["rms_norm_128_f32"])
    let lowering = try Compiler(target: .avx2).lower(entry.kernel)
    #expect(source == lowering.source.source)
    #expect(try directory.text(of: names[1]) == lowering.source.header)
  }

  @Test func ownNamesTakeAPrefix() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(
      ["emit", "layer_norm_768_f32", "--target", "avx2", "--prefix", "ln_"], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    let text = try directory.text(of: "layer_norm_768_f32_avx2.c")
    #expect(text.contains("static inline ln_vec ln_load_f32("))
    #expect(text.contains("\nvoid layer_norm_768_f32_avx2("), "the kernel keeps its name")
    #expect(text.contains("--target avx2 --prefix ln_\n"), "the command emits the file again")
    let wrong = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32", "--prefix", "2x"], in: directory)
    #expect(wrong.status != 0)
    #expect(wrong.errors.contains("expected a C identifier that begins with a letter, found '2x'"))
  }

  @Test func forcedSchedulesOfMatmulsStandInTheCommandThatEmitsAgain() throws {
    let directory = try TestDirectory()
    let options = ["--plain-weights", "--chunk-rows", "28"]
    let result = try CommandLineFixture.normgen(
      ["emit", "linear_gelu_384_1536_f32", "--target", "avx512", "--stdout"] + options,
      in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.output.contains(
        "normgen emit linear_gelu_384_1536_f32 --target avx512 --plain-weights --chunk-rows 28\n"))
    #expect(!result.output.contains("_pack_") && result.output.contains("gathered"))
  }

  @Test func aForwardKernelStoresWhatItsGradientReads() throws {
    let directory = try TestDirectory()
    func emitted(_ options: [String]) throws -> (status: Int32, output: String, errors: String) {
      let result = try CommandLineFixture.normgen(
        ["emit", "layer_norm_384_f32", "--target", "avx2", "--stdout"] + options, in: directory)
      return (result.status, result.output, result.errors)
    }
    let names = "mean_x,inv_deviation"
    let forward = try emitted(["--storing", names])
    #expect(
      forward.output.contains("normgen emit layer_norm_384_f32 --storing \(names) --target avx2\n"))
    #expect(forward.output.contains("inv_deviation  f32 [rows, 1], written;"))
    let backward = try emitted(["--gradient", "--saving", names])
    #expect(backward.output.contains("inv_deviation  f32 [rows, 1]; "))
    let both = try emitted(["--gradient", "--storing", names])
    #expect(both.status != 0)
    #expect(both.errors.contains("--storing is for the kernel, --saving for its gradient"))
    let unknown = try emitted(["--storing", "average"])
    #expect(unknown.status != 0)
    #expect(unknown.errors.contains("has no value 'average' to save; its named values are mean_x"))
  }

  /// Each process orders its sets and dictionaries in a way of its own.
  @Test func twoProcessesEmitRandomKernelsAlike() throws {
    let directory = try TestDirectory()
    var text = ""
    for seed in 0..<100 as Range<UInt64> {
      let graph = try FuzzCase(seed: seed).graph
      // The planner refuses a few.
      guard (try? Compiler(target: .avx512).lower(graph)) != nil else { continue }
      text += "\(graph)\n"
    }
    try directory.write(text, to: "random.ng")
    let results = try (0..<2).map { _ in
      try CommandLineFixture.normgen(
        ["emit", "random.ng", "--target", "avx512", "--stdout"], in: directory)
    }
    #expect(results.allSatisfy { $0.status == 0 }, "\(results[0].errors)")
    #expect(results[0].output.utf8.count > 500_000)
    // Not compared inside the macro, which would print both.
    let isSame = results[0].output == results[1].output
    #expect(isSame)
  }

  @Test func theCurrentDirectoryIsTheDefault() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32"], in: directory, environment: ["NORMGEN_TARGET": "portable"])
    #expect(result.status == 0)
    #expect(directory.files == ["rms_norm_128_f32_portable.c", "rms_norm_128_f32_portable.h"])
  }

  @Test func allKernelsOfAFileAreEmittedUnlessOneIsChosen() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    let all = ["emit", "two.ng", "--target", "neon"]
    #expect(try CommandLineFixture.normgen(all + ["-o", "all"], in: directory).status == 0)
    let one = all + ["--kernel", "second_norm", "-o", "one"]
    #expect(try CommandLineFixture.normgen(one, in: directory).status == 0)
    #expect(
      directory.files == [
        "all/first_norm_neon.c", "all/first_norm_neon.h", "all/second_norm_neon.c",
        "all/second_norm_neon.h", "one/second_norm_neon.c", "one/second_norm_neon.h", "two.ng",
      ])
    #expect(
      try directory.text(of: "one/second_norm_neon.c").contains(
        "normgen emit two.ng --kernel second_norm --target neon\n"))
    #expect(
      try directory.text(of: "one/second_norm_neon.c")
        == directory.text(of: "all/second_norm_neon.c"))
  }

  @Test func nothingFromAFilesNameEndsTheComment() throws {
    let directory = try TestDirectory()
    let name = "a b\u{202E}*.ng"
    try directory.write(TestKernels.text, to: name)
    let result = try CommandLineFixture.normgen(
      ["emit", "./" + name, "--target", "avx2", "--stdout"], in: directory)
    #expect(result.status == 0)
    #expect(result.output.contains("normgen emit FILE.ng --target avx2\n"))
    #expect(!result.output.contains("\u{202E}"))
  }

  @Test func aScheduleThatWasAskedForIsNamedInTheFile() throws {
    let result = try CommandLineFixture.normgen([
      "emit", "rms_norm_128_f32", "--target", "avx512", "--schedule", "row_streaming", "--stdout",
    ])
    #expect(
      result.output.contains(
        "normgen emit rms_norm_128_f32 --target avx512 --schedule row_streaming\n"))
    #expect(result.output.contains("Schedule row_streaming"))
  }

  @Test func twoProcessesEmitTheSameBytes() throws {
    let directory = try TestDirectory()
    for folder in ["first", "second"] {
      let result = try CommandLineFixture.normgen(
        ["emit", "--catalog", "-o", folder], in: directory)
      #expect(result.status == 0)
    }
    let files = directory.files.filter { $0.hasPrefix("first/") }
    #expect(files.count == 6 * Catalog.standard.entries.count + 2)
    for file in files {
      let other = file.replacing("first/", with: "second/")
      #expect(try directory.text(of: file) == directory.text(of: other), "\(file)")
    }
  }

  @Test func aFailureLeavesNothingBehind() throws {
    let directory = try TestDirectory()
    // A directory stands where the header belongs, so its file cannot be put in place.
    try FileManager.default.createDirectory(
      atPath: directory.path("out/rms_norm_128_f32_avx2.h"), withIntermediateDirectories: true)
    try directory.write("kept", to: "out/rms_norm_128_f32_avx2.h/file")
    let result = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32", "--target", "avx2", "-o", "out"], in: directory)
    #expect(result.status == 1)
    #expect(
      result.errors == "error: 'out/rms_norm_128_f32_avx2.h': expected a regular file, found a "
        + "directory\n")
    #expect(directory.files == ["out/rms_norm_128_f32_avx2.h/file"])
  }

  @Test func aFileInTheWayOfTheDirectoryIsNamed() throws {
    let directory = try TestDirectory()
    try directory.write("", to: "out")
    let result = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32", "-o", "out"], in: directory)
    #expect(result.status == 1)
    #expect(result.errors == "error: 'out': expected a directory, found a file\n")
    let below = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32", "-o", "out/deeper"], in: directory)
    #expect(below.status == 1)
    #expect(below.errors.hasPrefix("error: 'out/deeper': can't make: "))
    #expect(directory.files == ["out"])
  }
}
