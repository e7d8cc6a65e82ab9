public import NormGenIR

/// The arguments of one call in the text form, taken one by one.
public struct TextArguments: Sendable {
  enum Value: Sendable {
    case tensor(Tensor)
    /// A number is kept as written, so that each use rounds it once.
    case number(String)
    /// A word, and the value of that name if there is one.
    case word(String, Tensor?)

    /// The value as an error message names it.
    var found: String {
      switch self {
      case .tensor: "a tensor"
      case .number(let text), .word(let text, _): "'\(text)'"
      }
    }
  }

  private let function: String
  private var positional: [Value] = []
  /// How many arguments without a label are taken.
  private var taken = 0
  private var labelled: [(label: String, value: Value)] = []
  /// The labels that the function has asked for.
  private var known: [String] = []

  /// No arguments of a call of `function`.
  init(of function: String) { self.function = function }

  mutating func append(_ value: Value, label: String?) {
    if let label { labelled.append((label, value)) } else { positional.append(value) }
  }

  /// The next argument without a label, which must be a tensor.
  public mutating func tensor() throws(TextArgumentError) -> Tensor {
    guard taken < positional.count else {
      throw TextArgumentError(
        "'\(function)' needs a tensor as argument \(taken + 1), found "
          + (taken == 0 ? "none" : "\(taken) argument\(taken == 1 ? "" : "s")"))
    }
    taken += 1
    switch positional[taken - 1] {
    case .tensor(let tensor): return tensor
    case .number(let text): return .constant(try Self.float(text, label: nil))
    case .word(_, let tensor?): return tensor
    case .word(let word, nil): throw TextArgumentError("expected a tensor, found '\(word)'")
    }
  }

  /// All arguments without a label, which must be tensors.
  public mutating func tensors() throws(TextArgumentError) -> [Tensor] {
    var tensors: [Tensor] = []
    while taken < positional.count { tensors.append(try tensor()) }
    return tensors
  }

  /// The tensor labelled `label`, if given.
  public mutating func tensor(_ label: String) throws(TextArgumentError) -> Tensor? {
    switch take(label) {
    case .tensor(let tensor): return tensor
    case .number(let text): return .constant(try Self.float(text, label: label))
    case .word(_, let tensor?): return tensor
    case .word(let word, nil):
      throw TextArgumentError("expected a tensor, found '\(word)'", label: label)
    case nil: return nil
    }
  }

  /// The Float32 number labelled `label`, if given.
  public mutating func number(_ label: String) throws(TextArgumentError) -> Float? {
    switch take(label) {
    case .number(let text): return try Self.float(text, label: label)
    case .tensor?, .word?: throw expected("a number", label, found: last)
    case nil: return nil
    }
  }

  /// The whole number from 0 on labelled `label`, which must be given.
  public mutating func wholeNumber(_ label: String) throws(TextArgumentError) -> Int {
    guard let number = try optionalWholeNumber(label) else {
      throw missing(label, "a whole number from 0 on")
    }
    return number
  }

  /// The whole number from 0 on labelled `label`, if given.
  public mutating func optionalWholeNumber(
    _ label: String
  ) throws(TextArgumentError) -> Int? {
    guard let value = take(label) else { return nil }
    guard case .number(let text) = value, let number = Int(text), number >= 0 else {
      throw expected("a whole number from 0 on", label, found: value)
    }
    return number
  }

  /// One of the words `choices`, if given.
  ///
  /// - Parameter description: The words for an error where there are many; nil for all of them.
  public mutating func choice<Choice>(
    _ label: String, of choices: [(String, Choice)], described description: String? = nil
  ) throws(TextArgumentError) -> Choice? {
    guard let value = take(label) else { return nil }
    if case .word(let word, _) = value, let found = choices.first(where: { $0.0 == word }) {
      return found.1
    }
    throw expected("one of \(description ?? Self.words(choices))", label, found: value)
  }

  /// One of the words `choices`, which must be given.
  ///
  /// - Parameter description: The words for an error where there are many; nil for all of them.
  public mutating func requiredChoice<Choice>(
    _ label: String, of choices: [(String, Choice)], described description: String? = nil
  ) throws(TextArgumentError) -> Choice {
    guard let found = try choice(label, of: choices, described: description) else {
      throw missing(label, "one of \(description ?? Self.words(choices))")
    }
    return found
  }

  private static func words<Choice>(_ choices: [(String, Choice)]) -> String {
    choices.map(\.0).joined(separator: ", ")
  }

  /// The tensor labelled `label`, which must be given.
  public mutating func requiredTensor(_ label: String) throws(TextArgumentError) -> Tensor {
    guard let found = try tensor(label) else { throw missing(label, "a tensor") }
    return found
  }

  /// The statistic's window from `leading:`, or from `fraction:` and `rounding:`.
  public mutating func window() throws(TextArgumentError) -> StatisticWindow {
    if let value = take("leading") {
      guard case .number(let text) = value, let count = Int(text) else {
        throw expected("a whole number of elements", "leading", found: value)
      }
      known += ["fraction", "rounding"]
      return .leading(count: count)
    }
    guard let value = take("fraction") else {
      known.append("rounding")
      return .all
    }
    guard case .number(let text) = value, let fraction = Double(text) else {
      throw expected("a number", "fraction", found: value)
    }
    let choices = StatisticWindow.FractionRounding.allCases.map { ($0.rawValue, $0) }
    let rounding = try choice("rounding", of: choices) ?? .up
    return .leading(fraction: fraction, rounding: rounding)
  }

  /// Fails if an argument was given that the function did not take.
  func finish() throws(TextArgumentError) {
    if let extra = labelled.first?.label {
      let reason =
        known.contains(extra)
        ? "'\(extra)' means nothing beside the other arguments of '\(function)'"
        : "'\(function)' has no argument '\(extra)'"
          + Spelling.guess(extra, among: known, "it takes ")
      throw TextArgumentError(reason, label: extra)
    }
    guard taken == positional.count else {
      throw TextArgumentError(
        "'\(function)' takes \(taken) argument\(taken == 1 ? "" : "s")"
          + (known.isEmpty ? "" : " without a label") + ", found \(positional.count)"
          + (known.isEmpty ? "" : "; with a label it takes " + known.joined(separator: ", ")))
    }
  }

  private func expected(
    _ what: String, _ label: String, found: Value?
  ) -> TextArgumentError {
    TextArgumentError(
      "expected \(what)" + (found.map { ", found \($0.found)" } ?? ""), label: label)
  }

  private func missing(_ label: String, _ what: String) -> TextArgumentError {
    // A label that is misspelt stands where another one is missing.
    let other = labelled.first { Spelling.nearest(to: $0.label, among: [label]) != nil }?.label
    return TextArgumentError(
      "'\(function)' needs '\(label):', \(what)" + (other.map { "; found '\($0):'" } ?? ""),
      label: other)
  }

  /// What ``take(_:)`` took last.
  private var last: Value?

  private mutating func take(_ label: String) -> Value? {
    if !known.contains(label) { known.append(label) }
    guard let index = labelled.firstIndex(where: { $0.label == label }) else { return nil }
    last = labelled.remove(at: index).value
    return last
  }

  private static func float(_ text: String, label: String?) throws(TextArgumentError) -> Float {
    guard let value = Float(text), value.isFinite else {
      throw TextArgumentError("'\(text)' is beyond Float32", label: label)
    }
    return value
  }
}
