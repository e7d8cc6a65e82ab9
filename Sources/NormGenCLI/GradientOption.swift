internal import ArgumentParser
internal import NormGen

/// The options that put a kernel's gradient in the kernel's place.
struct GradientOption: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Take the kernel's gradient: it reads d_Y for each output Y and writes d_X for each input X.")
  )
  var gradient = false

  @Option(
    help: ArgumentHelp(
      "With --gradient: the inputs to differentiate by, by default all.", valueName: "x,gain"))
  var withRespectTo: String?

  @Option(
    help: ArgumentHelp(
      "With --gradient: values that are read instead of being computed again.",
      valueName: "inv_rms,…"))
  var saving: String?

  func validate() throws {
    guard !gradient else { return }
    if withRespectTo != nil { throw ValidationError("--with-respect-to needs --gradient") }
    if saving != nil { throw ValidationError("--saving needs --gradient") }
  }

  /// Whether anything is asked for.
  var isGiven: Bool { gradient }

  /// The kernel, or its gradient.
  func applied(to kernel: SelectedKernel) throws -> SelectedKernel {
    guard gradient else { return kernel }
    let graph = try kernel.graph.gradient(
      withRespectTo: withRespectTo.map(names), saving: saving.map(names) ?? [])
    // Names of inputs and values are identifiers, or there is no gradient.
    var arguments = kernel.arguments + " --gradient"
    if let withRespectTo {
      arguments += " --with-respect-to \(names(withRespectTo).joined(separator: ","))"
    }
    if let saving { arguments += " --saving \(names(saving).joined(separator: ","))" }
    return SelectedKernel(graph: graph, arguments: arguments)
  }

  private func names(_ list: String) -> [String] {
    list.split(separator: ",").map { String($0) }
  }
}
