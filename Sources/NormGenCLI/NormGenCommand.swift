internal import ArgumentParser

/// The tool's root command.
struct NormGenCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: Registry.current.commandName,
      abstract: "Normalization kernels: from Swift or text to C, checked against an oracle.",
      subcommands: [
        ListCommand.self, EmitCommand.self, VerifyGeneratedCommand.self, CheckCommand.self,
        DiffCommand.self,
        RunCommand.self, ExplainCommand.self, BenchCommand.self, ModelsCommand.self,
        PaperCommand.self, DemoCommand.self, FuzzCommand.self,
      ])
  }

  /// Messages begin like a compiler's.
  static let _errorLabel = "error"
}
