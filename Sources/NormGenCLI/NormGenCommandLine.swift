public import ArgumentParser
internal import Foundation
public import NormGen
internal import NormGenFiles

/// The command line tool as a function, for the main program of any package with kernels.
///
/// ```swift
/// import NormGenCLI
///
/// NormGenCommandLine.main(
///   commandName: "my-kernels", catalog: Catalog([.init(kernel, "what it is for")]))
/// ```
///
/// Commands that a tool can do without are products of their own, which only a tool that asks for them
/// is built with: `bench`, `models` and `demo` of NormGenBenchCommands, `paper` of
/// NormGenPaperCommand, `fuzz` of NormGenFuzzCommand.
public enum NormGenCommandLine {
  /// The commands that every tool has, in the order of its help.
  public static let commands: [any ParsableCommand.Type] = [
    ListCommand.self, EmitCommand.self, VerifyGeneratedCommand.self, CheckCommand.self,
    DiffCommand.self, RunCommand.self, QuantizeCommand.self, ExplainCommand.self,
  ]

  /// Runs the tool on this process's arguments and ends the process.
  ///
  /// The exit status is 0 for success, 1 for a failure and 64 for arguments that cannot be read.
  ///
  /// - Parameters:
  ///   - commandName: The tool's name in its help and in emitted files.
  ///   - catalog: The kernels that can be named.
  ///   - functions: What text files may call besides the library's functions.
  ///   - strategies: The strategies to choose from, the preferred first.
  ///   - commands: The commands, in the order of the help: ``commands``, and those of other modules or
  ///     of the package's own.
  public static func main(
    commandName: String = "normgen", catalog: Catalog = .standard,
    functions: [TextFunction] = [], strategies: [any Strategy] = Strategies.all,
    commands: [any ParsableCommand.Type] = commands
  ) -> Never {
    var registry = Registry()
    registry.commandName = commandName
    registry.catalog = catalog
    registry.functions = functions
    registry.strategies = strategies
    registry.commands = commands
    PendingNames.removeFilesAtSignals()
    exit(status(of: arguments, registry: registry))
  }

  /// This process's arguments, also those that are not UTF-8, which `CommandLine` would repair.
  private static var arguments: [String] {
    (1..<max(Int(CommandLine.argc), 1)).compactMap { index in
      CommandLine.unsafeArgv[index].map { argument in
        SystemText.text(
          of: UnsafeBufferPointer(start: argument, count: strlen(argument))
            .map(UInt8.init(bitPattern:)))
      }
    }
  }

  /// Runs the tool on `arguments` and returns its exit status.
  package static func status(
    of arguments: [String], registry: Registry = Registry(), terminal: Terminal = .process
  ) -> Int32 {
    Terminal.$current.withValue(terminal) {
      Registry.$current.withValue(registry) { status(of: arguments) }
    }
  }

  private static func status(of arguments: [String]) -> Int32 {
    do {
      try Registry.current.checkNames()
      var command = try NormGenCommand.parseAsRoot(arguments)
      try command.run()
      return ExitCode.success.rawValue
    } catch let error as TerminalError {
      return error.report()
    } catch let error as TextError {
      // It begins with the place in the file, as compilers' messages do.
      return report("\(error)", ExitCode.failure)
    } catch {
      let code = NormGenCommand.exitCode(for: error)
      let message = NormGenCommand.fullMessage(for: error)
      guard code != .success else {
        do {
          try Terminal.print(message)
          return code.rawValue
        } catch {
          return error.report()
        }
      }
      return report(message, code)
    }
  }

  private static func report(_ message: String, _ code: ExitCode) -> Int32 {
    if !message.isEmpty { Terminal.current.error(message) }
    return code.rawValue
  }
}

/// What a package adds to the tool.
package struct Registry: Sendable {
  /// The tool's name.
  package var commandName = "normgen"
  /// The kernels that can be named.
  package var catalog = Catalog.standard
  /// Functions of text files besides the library's.
  package var functions: [TextFunction] = []
  /// The strategies to choose from, the preferred first.
  package var strategies: [any Strategy] = Strategies.all
  /// The commands, in the order of the help.
  package var commands = NormGenCommandLine.commands

  package init() {}

  /// What the running command uses.
  @TaskLocal package static var current = Registry()

  /// The tool's name as emitted files give it: nothing else may end their comments.
  package var plainCommandName: String {
    CommandText.isPlain(commandName) ? commandName : "normgen"
  }

  /// Names must tell kernels apart, on the command line and as file names.
  func checkNames() throws(CommandError) {
    var seen: Set<String> = []
    for entry in catalog.entries where !seen.insert(entry.kernel.name).inserted {
      throw .duplicateKernel(entry.kernel.name, place: "the catalog")
    }
  }
}
