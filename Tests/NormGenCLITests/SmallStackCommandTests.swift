import Testing

/// A process with a stack of 512 KiB, as some containers give it, does what others do.
@Suite struct SmallStackCommandTests {
  @Test(arguments: ["check", "emit", "explain"])
  func chainsOf990OperationsFitASmallStack(command: String) throws {
    let directory = try TestDirectory()
    let chain = (1...495).map { "  a\($0) = \($0 == 1 ? "x" : "a\($0 - 1)") * 0.999 + x\n" }
    let nested = String(repeating: "(", count: 198) + "x" + String(repeating: " + 1.0)", count: 198)
    try directory.write(
      """
      kernel chain(x: f32[rows, 5]) {
      \(chain.joined())  y = a495 * 2.0
      } -> y: f32

      kernel nested(x: f32[rows, 5]) {
        y = \(nested)
      } -> y: f32

      """, to: "k.ng")
    let arguments = [command, "k.ng", "--target", "portable"]
    let result = try CommandLineFixture.run(
      "sh",
      ["-c", "ulimit -s 512 && exec \"$0\" \"$@\"", try CommandLineFixture.toolPath()] + arguments,
      in: directory)
    #expect(result.status == 0, "\(result.errors)")
  }
}
