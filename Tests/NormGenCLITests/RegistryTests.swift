import ArgumentParser
import NormGen
import NormGenBenchCommands
@testable import NormGenCLI
import Testing

/// The tool as a user's own package gets it.
@Suite struct RegistryTests {
  private static let registry: Registry = {
    var registry = Registry()
    registry.commandName = "my-kernels"
    registry.catalog = Catalog([
      .init(TestKernels.rmsNorm("own_norm", epsilon: 1e-6), "a norm of my own")
    ])
    registry.functions = [
      TextFunction("halved") { arguments throws(TextArgumentError) in
        try arguments.tensor() * 0.5
      }
    ]
    return registry
  }()

  private func run(_ arguments: [String]) -> InProcessResult {
    InProcessResult.of(arguments, registry: Self.registry)
  }

  @Test func itsKernelsAreListedAndNoOthers() {
    let result = run(["list"])
    #expect(result.status == 0)
    #expect(result.output.contains("own_norm"))
    #expect(result.output.contains("a norm of my own"))
    #expect(!result.output.contains("rms_norm_128_f32"))
    #expect(run(["check", "rms_norm_128_f32"]).status == 1)
  }

  @Test func itsKernelsAreChecked() {
    let result = run(["check", "own_norm", "--seed", "2"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  @Test func itsFilesNameItsTool() throws {
    let directory = try TestDirectory()
    #expect(run(["emit", "--catalog", "--module", "Mine", "-o", directory.path]).status == 0)
    #expect(
      directory.files == [
        "CATALOG.txt", "include/Mine.h", "include/own_norm_avx2.h", "include/own_norm_avx512.h",
        "include/own_norm_neon.h", "own_norm_avx2.c", "own_norm_avx512.c", "own_norm_neon.c",
      ])
    let source = try directory.text(of: "own_norm_avx2.c")
    #expect(source.contains(" my-kernels emit own_norm --target avx2\n"))
    let verified = run(["verify-generated", "--module", "Mine", directory.path])
    #expect(verified.status == 0, "\(verified.output)")
    #expect(run(["verify-generated", directory.path]).status == 1)
  }

  @Test func itsFunctionsAreCalledFromText() throws {
    let directory = try TestDirectory()
    let path = try directory.write(
      "kernel half(x: f32[rows, 8]) {\n  y = halved(x)\n} -> y\n", to: "half.ng")
    #expect(run(["check", path]).status == 0)
    let other = InProcessResult.of(["check", path])
    #expect(other.status == 1)
    #expect(other.errors.contains("half.ng:2:7: error: no function is named 'halved'"))
  }

  @Test func itsHelpHasItsName() {
    let help = run(["--help"])
    #expect(help.status == 0)
    #expect(help.output.contains("USAGE: my-kernels "))
    #expect(run(["emit"]).errors.contains("Usage: my-kernels emit"))
  }

  /// What draws, measures or fuzzes is there for a tool that asks for it.
  @Test func itsCommandsAreThoseThatItAsksFor() {
    let help = run(["--help"]).output
    for command in ["bench", "models", "paper", "demo", "fuzz"] {
      #expect(!help.contains("\n  \(command) "))
      #expect(run([command]).status == 64)
    }
    var registry = Self.registry
    registry.commands += [Greeting.self, BenchCommand.self]
    let more = InProcessResult.of(["--help"], registry: registry).output
    #expect(more.contains("\n  greet                   Say hello.\n  bench "))
    #expect(InProcessResult.of(["greet", "--loud"], registry: registry).status == 3)
    let wrong = InProcessResult.of(["greet", "--quiet"], registry: registry)
    #expect(wrong.status == 64)
    #expect(wrong.errors.hasPrefix("error: Unknown option '--quiet'\nUsage: my-kernels greet "))
    let bench = InProcessResult.of(["bench", "own_norm", "--rounds", "1"], registry: registry)
    #expect(bench.errors.hasPrefix("error: --rounds: expected at least 3, found 1\n"))
  }

  private struct Greeting: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "greet", abstract: "Say hello.")

    @Flag var loud = false

    func run() throws { if loud { throw ExitCode(3) } }
  }

  @Test func kernelsOfOneNameAreRefused() {
    var registry = Self.registry
    registry.catalog.entries += registry.catalog.entries
    let result = InProcessResult.of(["list"], registry: registry)
    #expect(result.status == 1)
    #expect(result.errors == "error: the catalog holds two kernels named 'own_norm'\n")
  }

  @Test func aToolsNameThatIsNotPlainStaysOutOfTheFiles() {
    var registry = Self.registry
    registry.commandName = "a */ b"
    let result = InProcessResult.of(
      ["emit", "own_norm", "--target", "avx2", "--stdout"], registry: registry)
    #expect(result.status == 0)
    #expect(result.output.contains(" normgen emit own_norm --target avx2\n"))
  }
}
