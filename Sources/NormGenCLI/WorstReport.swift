internal import Foundation
internal import NormGen
internal import NormGenCheck

/// The worst element of a check and what led to it, as it is printed.
struct WorstReport: Encodable {
  /// A value on the way to the element.
  struct Step: Encodable {
    let name: String
    let definition: String?
    let indices: [Int]
    let value: Double
    let bound: Double
    /// The value that most of the bound comes from; empty for the own roundings.
    let boundFrom: String?
    /// The part of the bound that comes from it.
    let share: Double?
  }

  let target: String
  let rows: Int
  let isAdversarial: Bool
  let row: String?
  let output: String
  let indices: [Int]
  let kernel: Double
  let oracle: Double
  let error: Double
  let bound: Double
  let ratio: Double
  let ulps: Double
  let steps: [Step]

  init?(_ comparison: TargetComparison, _ special: SpecialRows?) {
    guard let worst = comparison.worst else { return nil }
    let result = comparison.results[worst.target]
    target = result.target.name
    rows = result.checks[worst.call].rows
    let isSpecial = special != nil && worst.call == result.checks.count - 1
    isAdversarial = isSpecial
    row = isSpecial ? worst.indices.first.flatMap { special?.names[$0] } : nil
    output = worst.output
    indices = worst.indices
    kernel = worst.element.kernel
    oracle = worst.element.oracle
    error = worst.element.error
    bound = worst.element.bound
    ratio = worst.element.ratio
    ulps = worst.ulps
    steps = worst.trace.steps.map { step in
      Step(
        name: step.name, definition: step.definition, indices: step.indices,
        value: step.value.value, bound: step.value.error,
        boundFrom: step.source.map { $0.name ?? "" }, share: step.source?.share)
    }
  }

  /// The most values that are printed: those nearest to the output.
  private static let mostSteps = 10

  /// The element and the values that led to it, a line for each.
  var text: String {
    let call = isAdversarial ? "special rows" : "rows \(rows)"
    let family = row.map { " in the row of \($0)" } ?? ""
    var text = "worst: \(target), \(call), \(output)\(indices)\(family): kernel \(kernel), "
    text += "oracle \(WorstReport.bounded(oracle, bound)): \(CheckReport.short(ratio, digits: 3)) "
    text += "of the bound, \(CheckReport.short(ulps, digits: 3)) ulps\n"
    let omitted = max(0, steps.count - WorstReport.mostSteps)
    if omitted > 0 { text += "  \(omitted) earlier values\n" }
    for step in steps.dropFirst(omitted) { text += "  \(step.text)\n" }
    return text
  }

  fileprivate static func bounded(_ value: Double, _ bound: Double) -> String {
    bound == 0 ? "\(value)" : "\(value) ± \(CheckReport.short(bound))"
  }
}

extension WorstReport.Step {
  fileprivate var text: String {
    var text = name + (indices.isEmpty ? "" : "\(indices)")
    if let definition { text += " = \(definition)" }
    text += " = \(WorstReport.bounded(value, bound))"
    guard let boundFrom, let share else { return text }
    let source = boundFrom.isEmpty ? "its roundings" : "'\(boundFrom)'"
    return text + String(format: ", %.0f %% of it from \(source)", share * 100)
  }
}
