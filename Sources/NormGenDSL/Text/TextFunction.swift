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
