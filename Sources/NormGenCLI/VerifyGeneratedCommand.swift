internal import ArgumentParser
internal import NormGen

/// Compares committed kernels with what the catalog emits now.
struct VerifyGeneratedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify-generated",
    abstract: "Check that a folder holds exactly what 'emit --catalog' writes.")

  @Argument(help: ArgumentHelp("The folder.", valueName: "DIR"))
  var directory = GeneratedFiles.defaultDirectory

  @Option(help: ArgumentHelp("The name of the C module.", valueName: "name"))
  var module = GeneratedFiles.defaultModule

  func validate() throws { try ModuleName.validate(module) }

  func run() throws {
    let files = try GeneratedFiles(module: module).files
    let differences = try GeneratedDifferences(files, in: directory)
    guard !differences.isEmpty else {
      try Terminal.print("\(directory): \(files.count) files are as the catalog emits them")
      return
    }
    var lines: [String] = []
    for change in differences.changed {
      lines.append("changed: \(path(change.path)), line \(change.line)")
      lines.append("  emitted: \(change.emitted ?? "(the end of the file)")")
      lines.append("  found:   \(change.found ?? "(the end of the file)")")
    }
    lines += differences.missing.map { "missing: \(path($0))" }
    lines += differences.extra.map { "extra:   \(path($0))" }
    if !differences.changed.isEmpty || !differences.missing.isEmpty {
      lines.append("to write what the catalog emits: \(command)")
    }
    if !differences.extra.isEmpty {
      lines.append(
        "to remove what it does not emit: rm "
          + differences.extra.map { CommandText.quoted(path($0)) }.joined(separator: " "))
    }
    try Terminal.print(lines.joined(separator: "\n"))
    throw ExitCode.failure
  }

  private func path(_ file: String) -> String { FileWriter.joined(directory, file) }

  private var command: String {
    var command = "\(Registry.current.commandName) emit --catalog"
    if directory != GeneratedFiles.defaultDirectory {
      command += " -o \(CommandText.quoted(directory))"
    }
    if module != GeneratedFiles.defaultModule { command += " --module \(module)" }
    return command
  }
}
