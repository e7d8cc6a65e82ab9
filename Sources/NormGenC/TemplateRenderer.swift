package import NormGenTemplates

/// A template and its values that do not fit each other.
public struct TemplateError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The template's file name.
  public let template: String
  /// What does not fit.
  public let message: String

  public var description: String { "template \(template): \(message)" }
}

/// Fills `{{name}}` in a template; nothing else is special in one.
package enum TemplateRenderer {
  /// The template's text with every placeholder replaced.
  ///
  /// - Throws: ``TemplateError`` for a placeholder without a value and a value without one.
  package static func rendered(
    _ template: TemplateFile, _ values: [String: String]
  ) throws(TemplateError) -> String {
    var result = ""
    var unused = Set(values.keys)
    var rest = template.text[...]
    while let open = rest.firstRange(of: "{{") {
      result += rest[..<open.lowerBound]
      rest = rest[open.upperBound...]
      guard let close = rest.firstRange(of: "}}") else {
        throw TemplateError(template: template.path, message: "'{{' without '}}'")
      }
      let name = String(rest[..<close.lowerBound])
      guard let value = values[name] else {
        throw TemplateError(template: template.path, message: "no value for '{{\(name)}}'")
      }
      unused.remove(name)
      result += value
      rest = rest[close.upperBound...]
    }
    if let name = unused.min() {
      throw TemplateError(template: template.path, message: "no '{{\(name)}}' to take its value")
    }
    return result + rest
  }
}
