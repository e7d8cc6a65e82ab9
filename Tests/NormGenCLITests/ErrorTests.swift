import Foundation
@testable import NormGenCLI
import Testing

@Suite struct ErrorTests {
  private func failure(
    _ arguments: [String], in directory: TestDirectory? = nil, status: Int32 = 1,
    environment: [String: String] = [:]
  ) throws -> String {
    let result = try CommandLineFixture.normgen(
      arguments, in: directory, environment: environment)
    #expect(result.status == status)
    #expect(!result.endedBySignal)
    #expect(result.output.isEmpty)
    return result.errors
  }

  @Test func anUnknownKernelNamesTheNearest() throws {
    let message = try failure(["check", "rms_nrom_4096_f32"])
    #expect(
      message == "error: no kernel is named 'rms_nrom_4096_f32'; did you mean "
        + "'rms_norm_4096_f32'? 'normgen list' names all, and a text file's name ends in .ng\n")
  }

  @Test func aKernelUnlikeAnyIsNotGuessed() throws {
    let message = try failure(["emit", "completely_else"])
    #expect(message.hasPrefix("error: no kernel is named 'completely_else'; 'normgen list'"))
  }

  @Test func anUnknownTargetNamesAll() throws {
    let expected =
      "error: no target is named 'sse9'; known: host, portable, neon, neondot, avx2, avx512, avx512vnni, avx512bf16\n"
    #expect(try failure(["emit", "rms_norm_128_f32", "--target", "sse9"]) == expected)
    #expect(try failure(["check", "rms_norm_128_f32", "--target", "sse9"]) == expected)
    #expect(
      try failure(["explain", "rms_norm_128_f32"], environment: ["NORMGEN_TARGET": "sse9"])
        == expected)
  }

  @Test func anEnvironmentVariableThatMeansNothingIsAnError() throws {
    let message = try failure(
      ["check", "rms_norm_128_f32"], environment: ["NORMGEN_SEED": "abc"])
    #expect(
      message
        == "error: the environment variable NORMGEN_SEED: expected a whole number below 2^64, "
        + "found 'abc'\n")
  }

  @Test func anUnknownScheduleNamesAll() throws {
    let message = try failure(["explain", "rms_norm_128_f32", "--schedule", "magic"])
    #expect(message.contains("no strategy is named 'magic'; known: row_streaming"))
  }

  @Test func aMistakeInATextFileHasAPlaceAndACaret() throws {
    let directory = try TestDirectory()
    try directory.write(
      "kernel bad(x: f32[rows, 8]) {\n  y = x + nothing\n} -> y\n", to: "bad.ng")
    let message = try failure(["emit", "bad.ng"], in: directory)
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "bad.ng:2:11: error: no value is named 'nothing'; known: x")
    #expect(lines[1] == "    y = x + nothing")
    #expect(lines[2] == "            ^")
    #expect(directory.files == ["bad.ng"])
  }

  @Test(arguments: ["while", "class", "_Bool", "restrict"])
  func keywordsAreNoNames(_ word: String) throws {
    let directory = try TestDirectory()
    try directory.write("kernel \(word)(x: f32[rows, 8]) {\n  y = x\n} -> y\n", to: "a.ng")
    #expect(try failure(["emit", "a.ng"], in: directory).hasPrefix("a.ng:1:8: error: expected"))
    try directory.write("kernel k(\(word): f32[rows, 8]) {\n} -> \(word)\n", to: "b.ng")
    #expect(try failure(["emit", "b.ng"], in: directory).hasPrefix("b.ng:1:10: error: expected"))
    #expect(directory.files == ["a.ng", "b.ng"])
  }

  @Test func filesThatCannotBeReadAreNamed() throws {
    let directory = try TestDirectory()
    #expect(
      try failure(["emit", "none.ng"], in: directory)
        == "error: none.ng: expected a text file with kernels, found no such file\n")
    #expect(
      try failure(["emit", "./"], in: directory)
        == "error: ./: expected a text file with kernels, found a directory\n")
    try Data([0x6b, 0xff, 0xfe]).write(to: URL(fileURLWithPath: directory.path("raw.ng")))
    #expect(
      try failure(["check", "raw.ng"], in: directory)
        == "error: raw.ng: expected UTF-8 text, found other bytes\n")
    #expect(
      try failure(["check", "/dev/zero"]) == "error: /dev/zero: is longer than 4194304 bytes\n")
    try directory.write("", to: "empty.ng")
    #expect(try failure(["emit", "empty.ng"], in: directory).hasPrefix("empty.ng:1:1: error: "))
  }

  @Test func theRightKernelOfAFileIsNeeded() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    #expect(
      try failure(["emit", "two.ng", "--kernel", "third"], in: directory)
        == "error: two.ng: no kernel is named 'third'; the file holds first_norm, second_norm\n")
    #expect(
      try failure(["emit", "rms_norm_128_f32", "--kernel", "x"]).hasPrefix(
        "error: --kernel chooses among the kernels of a text file"))
    try directory.write(TestKernels.text + TestKernels.text, to: "twice.ng")
    #expect(
      try failure(["emit", "twice.ng"], in: directory)
        == "error: twice.ng holds two kernels named 'small_norm'\n")
  }

  @Test(arguments: [
    ["emit"], ["emit", "a", "--catalog"], ["emit", "--catalog", "--stdout"],
    ["emit", "a", "--stdout", "-o", "d"], ["emit", "--catalog", "--module", "a-b"],
    ["emit", "--catalog", "--target", "avx2"], ["check", "a", "--seed", "x"],
    ["check", "a", "--rows", "one"], ["check", "a", "--rows=-1"],
    ["explain", "a", "--stage", "soup"], ["nothing"],
  ])
  func argumentsThatCannotBeReadGiveStatus64(_ arguments: [String]) throws {
    let message = try failure(arguments, status: 64)
    #expect(message.hasPrefix("error: "))
    #expect(message.contains("Usage: normgen"))
  }

  @Test func rowsBeyondMemoryAreRefused() throws {
    for rows in ["1000000000000", "\(Int.max)"] {
      let message = try failure(["check", "rms_norm_128_f32", "--rows", rows])
      #expect(message.contains("takes more memory than this machine can spare"))
    }
  }
}
