public import ArgumentParser
internal import NormGen
internal import NormGenCLI
internal import NormGenFiles
internal import NormGenPaper

/// The command `paper`, which shows the claims of the RMSNorm paper on generated kernels.
public struct PaperCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "paper",
    abstract: "Show the claims of the RMSNorm paper on generated kernels.",
    discussion: """
      Parts:
      \(PaperParts.all.map { "  \($0.name): \($0.claim)" }.joined(separator: "\n"))

      Each part prints tables and verdicts. The exit status is 1 if a claim that is not about time \
      does not hold.
      """)

  @Argument(
    help: ArgumentHelp(
      "all, or some of \(PaperCommand.names.joined(separator: ", ")).", valueName: "part"))
  var parts: [String] = ["all"]

  @Flag(help: "Small sizes, in seconds; the figures say little.")
  var quick = false

  @Option(
    help: ArgumentHelp(
      "Rows of a real model, for the error of partial statistics.",
      valueName: "FILE.safetensors:NAME"))
  var data: String?

  @Option(help: "The seed of weights and data.")
  var seed: UInt64 = 1

  @OptionGroup var target: TargetSelection

  @Flag(help: "Print JSON.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Write paper.md and paper/*.svg in this directory, and print the verdicts only.",
      valueName: "directory"))
  var output: String?

  public init() {}

  private static let names = PaperParts.all.map(\.name)

  public func validate() throws {
    if let unknown = parts.first(where: { $0 != "all" && !PaperCommand.names.contains($0) }) {
      throw ValidationError(
        "expected all or some of \(PaperCommand.names.joined(separator: ", ")), found '\(unknown)'")
    }
    if parts.count > 1, parts.contains("all") {
      throw ValidationError("all stands for every part; name it alone")
    }
    if json, output != nil { throw ValidationError("choose one of --json and --output") }
  }

  public func run() throws {
    let run = PaperRun(
      compiler: try target.compiler(), isQuick: quick, seed: seed, realRows: try rows(),
      progress: { Terminal.progress($0) })
    let chosen = PaperParts.all.filter { parts == ["all"] || parts.contains($0.name) }
    let reports = try chosen.map { try $0.report(run) }
    Terminal.endProgress()
    let document = PaperDocument(
      command: command, target: run.compiler.target.name, reports: reports)
    if json {
      try Terminal.print(try JSONText.of(reports))
    } else if let output {
      _ = try FileWriter.write(document.files, to: output)
      try Terminal.print(document.verdicts)
    } else {
      try Terminal.print(document.markdown)
    }
    if !reports.allSatisfy(\.holds) { throw ExitCode.failure }
  }

  private func rows() throws -> HostTensor? {
    guard let data else { return nil }
    let tensor = try TensorFile.load(TensorReference(data))
    guard tensor.shape.count == 2, tensor.count > 0 else {
      throw ValidationError("--data: expected rows of one axis, found shape \(tensor.shape)")
    }
    return tensor
  }

  /// The command that makes the document again.
  private var command: String {
    var words = [Registry.current.plainCommandName, "paper"] + parts
    if quick { words.append("--quick") }
    if let data { words += ["--data", CommandText.quoted(data)] }
    if seed != 1 { words += ["--seed", "\(seed)"] }
    if let name = target.target { words += ["--target", CommandText.quoted(name)] }
    if let output { words += ["--output", CommandText.quoted(output)] }
    return words.joined(separator: " ")
  }
}
