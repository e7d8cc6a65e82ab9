import Testing

/// Nothing passes that could not be judged.
@Suite struct UnjudgedTests {
  private static let texts = [
    // The root of a negative number is NaN whatever the input.
    "kernel k(x: f32[rows, 8]) {\n  y = sqrt(-1.0 - x * x)\n} -> y\n",
    // Where a result may or may not overflow, no bound says anything.
    "kernel k(x: f32[rows, 8]) {\n  y = exp(exp(exp(abs(x) + 3.0))) - exp(exp(exp(abs(x) + 3.0)))\n} -> y\n",
  ]

  @Test(arguments: texts)
  func anOutputThatSaysNothingIsNotJudged(text: String) throws {
    let directory = try TestDirectory()
    let file = try directory.write(text, to: "k.ng")
    for arguments in [
      ["check", file, "--rows", "3"], ["check", file, "--rows", "3", "--json"],
      ["diff", file, "--target", "portable", "host", "--rows", "3"],
    ] {
      let result = try CommandLineFixture.normgen(arguments)
      #expect(result.status == 3, "\(arguments): \(result.output)\(result.errors)")
      #expect(result.output.contains(arguments.contains("--json") ? "\"unjudged\"" : "NOT JUDGED"))
    }
  }

  /// An output beside it that says something does not hide it.
  @Test func oneJudgedOutputDoesNotHideAnother() throws {
    let directory = try TestDirectory()
    let text = "kernel k(x: f32[rows, 8]) {\n  y = sqrt(-1.0 - x * x)\n  z = x * 2.0\n} -> y, z\n"
    let file = try directory.write(text, to: "k.ng")
    let result = try CommandLineFixture.normgen(["check", file, "--rows", "3"])
    #expect(result.status == 3)
    #expect(result.output.contains("no element of 'y' is a number with a bound"))
    #expect(!result.output.contains("'z'"))
  }

  /// A call without rows judges nothing.
  @Test func noRowsAreNotJudged() throws {
    let result = try CommandLineFixture.normgen(["check", "rms_norm_128_f32", "--rows", "0"])
    #expect(result.status == 3)
    #expect(try CommandLineFixture.normgen(["check", "rms_norm_128_f32"]).status == 0)
  }
}
