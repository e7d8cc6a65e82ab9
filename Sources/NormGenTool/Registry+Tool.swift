internal import NormGenBenchCommands
package import NormGenCLI
internal import NormGenFuzzCommand
internal import NormGenPaperCommand

extension Registry {
  /// What `normgen` has: the standard catalog and all commands.
  package static let normgen: Registry = {
    var registry = Registry()
    registry.commands += [
      BenchCommand.self, ModelsCommand.self, PaperCommand.self, DemoCommand.self, FuzzCommand.self,
    ]
    return registry
  }()
}
