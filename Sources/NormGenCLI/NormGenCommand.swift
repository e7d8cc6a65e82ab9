internal import ArgumentParser

/// The tool's root command.
struct NormGenCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: Registry.current.commandName,
      abstract: "Normalization kernels: from Swift or text to C, checked against an oracle.",
      subcommands: Registry.current.commands)
  }

  /// Messages begin like a compiler's.
  static let _errorLabel = "error"
}
