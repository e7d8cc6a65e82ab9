package import NormGen
import NormGenLoopInterpreter

/// What a kernel's lowered loops give, before any C: tells a mistake of the lowering from one of the
/// C.
public enum LoopCheck: Hashable, Sendable {
  /// The loops have the exact bits.
  case right
  /// They give an output other bits, or touch what they may not.
  case wrong(String)
  /// The call is too large to interpret them.
  case tooLarge

  /// Interprets the loops of a call.
  ///
  /// - Parameters:
  ///   - reference: What the interpreters of the graph say of the call.
  ///   - mostCost: The most operations, see `LoopInterpreter.cost(of:rows:)`.
  package init(_ call: KernelCall, reference: ReferenceOutputs, mostCost: Int) {
    let program = call.lowering.program
    guard LoopInterpreter.cost(of: program, rows: call.rows) <= mostCost else {
      self = .tooLarge
      return
    }
    do {
      // One part runs all steps, several share them.
      for parts in [1, 2] {
        let outputs = try LoopInterpreter.outputs(
          of: call.lowering.module, rows: call.rows, inputs: call.inputs, parts: parts)
        for (index, output) in call.lowering.graph.outputs.enumerated() {
          guard let tensor = outputs[output.name] else { continue }
          let exact = reference.judgement(of: tensor, output: index).exact
          guard exact.passes else {
            self = .wrong("output '\(output.name)', \(parts) parts: \(exact)")
            return
          }
        }
      }
      self = .right
    } catch { self = .wrong("\(error)") }
  }
}
