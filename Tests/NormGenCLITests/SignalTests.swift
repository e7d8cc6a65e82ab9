import Foundation
import NormGen
import Testing

/// Signals that end the tool while it writes.
@Suite struct SignalTests {
  /// So many kernels that their files are pending for a while.
  private func fixture() throws -> (texts: TestDirectory, output: TestDirectory) {
    let (texts, output) = (try TestDirectory(), try TestDirectory())
    let kernels = (0..<150).map {
      TestKernels.text.replacing("small_norm", with: "small_norm_\($0)")
    }
    try texts.write(kernels.joined(), to: "many.ng")
    return (texts, output)
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGXCPU])
  func nothingIsLeftAndTheStatusIsTheSignals(_ number: Int32) throws {
    let (texts, output) = try fixture()
    let command = KilledCommand(
      program: try CommandLineFixture.toolPath(),
      arguments: ["emit", texts.path("many.ng"), "-o", "."], directory: output)
    var ended = 0
    // One run may have put its files in place before the signal comes.
    for _ in 0..<5 where ended < 2 {
      try command.reset()
      if try command.isEnded(.signalled(number)) { ended += 1 }
      #expect(command.leftovers == [])
    }
    #expect(ended > 0)
  }

  /// The next run that writes in the folder removes what SIGKILL left, and nothing else.
  @Test func whatIsLeftIsRemovedByTheNextRun() throws {
    let (texts, output) = try fixture()
    let command = KilledCommand(
      program: try CommandLineFixture.toolPath(),
      arguments: ["emit", texts.path("many.ng"), "-o", "."], directory: output)
    for _ in 0..<5 where command.leftovers.isEmpty { _ = try command.isEnded(.writing) }
    #expect(!command.leftovers.isEmpty)
    try output.write("", to: ".normgen-other.tmp")
    let result = try CommandLineFixture.normgen(
      ["emit", "rms_norm_128_f32", "--target", "avx2", "-o", "."], in: output)
    #expect(result.status == 0)
    #expect(command.leftovers == [".normgen-other.tmp"])
  }
}
