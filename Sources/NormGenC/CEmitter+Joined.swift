package import NormGenSchedule
import NormGenTemplates

extension CEmitter {
  /// One C file with the functions of several kernels, for compiling them together.
  ///
  /// What they need of the target's definitions stands there once. The kernels keep their names, which
  /// must differ; their other functions get names of their own.
  ///
  /// - Throws: ``TemplateError`` when a template and the emitter do not fit.
  package static func joined(
    _ sources: [CSource], target: Target
  ) throws(TemplateError) -> String {
    let library = try SupportLibrary.of(target: target)
    let functions = sources.map(renamed).joined(separator: "\n\n")
    let names = sources.map { " *   " + $0.name }
    return try TemplateRenderer.rendered(
      .kernelSource,
      [
        "title": " * Kernels for \(target.name), emitted by NormGen to be compiled together:",
        "name": sources.first?.name ?? "", "machine": target.machineCondition,
        "command": "\(names.count) kernels", "text": names.joined(separator: "\n"),
        "schedule": " * Each has a schedule of its own.",
        "support": library.definitions(reachedFrom: functions), "function": functions,
        "loops": "", "enable": target.featureRegion.begin, "disable": target.featureRegion.end,
      ])
  }

  /// A kernel's functions, those that only it calls under other names.
  private static func renamed(_ source: CSource) -> String {
    let own = CText.definedNames(in: source.definitions)
    let names = Dictionary(
      own.map { ($0, "\($0)_of_\(source.name)") }, uniquingKeysWith: { first, _ in first })
    let region = source.keepsLoops ? CRegion.keepLoops : CRegion(begin: "", end: "")
    return region.begin + CText.renaming(names, in: source.definitions) + "\n" + region.end
  }
}
