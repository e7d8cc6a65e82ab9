public import NormGenIR

/// A function that the text form can call: a norm, an activation or a user's own composition.
public struct TextFunction: Sendable {
  /// The name it is called by.
  public let name: String
  private let body: @Sendable (inout TextArguments) throws(TextArgumentError) -> Tensor

  /// Creates a function; `body` takes its arguments from the call.
  public init(
    _ name: String,
    _ body: @escaping @Sendable (inout TextArguments) throws(TextArgumentError) -> Tensor
  ) {
    self.name = name
    self.body = body
  }

  /// An activation as a function of one tensor.
  public init(_ activation: Activation) {
    self.init(activation.name) { arguments throws(TextArgumentError) in
      activation(try arguments.tensor())
    }
  }

  func call(_ arguments: inout TextArguments) throws(TextArgumentError) -> Tensor {
    try body(&arguments)
  }
}

/// What is wrong with a call's arguments.
public struct TextArgumentError: Error, Hashable, Sendable {
  /// What was expected and what was found.
  public let message: String
  /// The named argument it is about; nil for the call as a whole.
  public let label: String?

  /// Creates an error about the argument `label`, or about the whole call.
  public init(_ message: String, label: String? = nil) {
    self.message = message
    self.label = label
  }
}

/// The arguments of one call in the text form, taken one by one.
public struct TextArguments: Sendable {
  enum Value: Sendable {
    case tensor(Tensor)
    /// A number is kept as written, so that each use rounds it once.
    case number(String)
    /// A word, and the value of that name if there is one.
    case word(String, Tensor?)
  }

  var positional: [Value]
  var labelled: [(label: String, value: Value)]

  /// The next argument without a label, which must be a tensor.
  public mutating func tensor() throws(TextArgumentError) -> Tensor {
    guard !positional.isEmpty else { throw TextArgumentError("expected a tensor argument") }
    switch positional.removeFirst() {
    case .tensor(let tensor): return tensor
    case .number(let text): return .constant(try Self.float(text, label: nil))
    case .word(_, let tensor?): return tensor
    case .word(let word, nil): throw TextArgumentError("expected a tensor, found '\(word)'")
    }
  }

  /// All arguments without a label, which must be tensors.
  public mutating func tensors() throws(TextArgumentError) -> [Tensor] {
    var tensors: [Tensor] = []
    while !positional.isEmpty { tensors.append(try tensor()) }
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
    case .tensor, .word: throw TextArgumentError("expected a number", label: label)
    case nil: return nil
    }
  }

  /// The whole number from 0 on labelled `label`, which must be given.
  public mutating func wholeNumber(_ label: String) throws(TextArgumentError) -> Int {
    guard let number = try optionalWholeNumber(label) else {
      throw TextArgumentError("expected '\(label):'")
    }
    return number
  }

  /// The whole number from 0 on labelled `label`, if given.
  public mutating func optionalWholeNumber(
    _ label: String
  ) throws(TextArgumentError) -> Int? {
    guard let value = take(label) else { return nil }
    guard case .number(let text) = value, let number = Int(text), number >= 0 else {
      throw TextArgumentError("expected a whole number from 0 on", label: label)
    }
    return number
  }

  /// One of the words `choices`, if given.
  public mutating func choice<Choice>(
    _ label: String, of choices: [(String, Choice)]
  ) throws(TextArgumentError) -> Choice? {
    guard let value = take(label) else { return nil }
    if case .word(let word, _) = value, let found = choices.first(where: { $0.0 == word }) {
      return found.1
    }
    let found: String
    switch value {
    case .word(let text, nil), .number(let text): found = "'\(text)'"
    case .tensor, .word: found = "a tensor"
    }
    let names = choices.map(\.0).joined(separator: ", ")
    throw TextArgumentError("expected one of \(names), found \(found)", label: label)
  }

  /// The statistic's window from `leading:`, or from `fraction:` and `rounding:`.
  public mutating func window() throws(TextArgumentError) -> StatisticWindow {
    if let value = take("leading") {
      guard case .number(let text) = value, let count = Int(text) else {
        throw TextArgumentError("expected a whole number of elements", label: "leading")
      }
      return .leading(count: count)
    }
    guard let value = take("fraction") else { return .all }
    guard case .number(let text) = value, let fraction = Double(text) else {
      throw TextArgumentError("expected a number", label: "fraction")
    }
    let choices = StatisticWindow.FractionRounding.allCases.map { ($0.rawValue, $0) }
    let rounding = try choice("rounding", of: choices) ?? .up
    return .leading(fraction: fraction, rounding: rounding)
  }

  /// Fails if an argument was given that the function did not take.
  func finish(_ name: String) throws(TextArgumentError) {
    if let extra = labelled.first {
      throw TextArgumentError("'\(name)' has no argument '\(extra.label)'", label: extra.label)
    }
    guard positional.isEmpty else {
      throw TextArgumentError("'\(name)' takes \(positional.count) fewer arguments")
    }
  }

  private mutating func take(_ label: String) -> Value? {
    guard let index = labelled.firstIndex(where: { $0.label == label }) else { return nil }
    return labelled.remove(at: index).value
  }

  private static func float(_ text: String, label: String?) throws(TextArgumentError) -> Float {
    guard let value = Float(text), value.isFinite else {
      throw TextArgumentError("'\(text)' is beyond Float32", label: label)
    }
    return value
  }
}
