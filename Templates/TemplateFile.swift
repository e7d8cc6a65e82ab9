internal import CNormGenTemplates

/// A text file of the `Templates` folder, embedded in the binary.
///
/// C embeds them: the Swift compiler takes a quarter of a minute for as many bytes.
package struct TemplateFile: Sendable {
  /// The file's name below `Templates`.
  package let path: String
  /// Its text.
  package let text: String

  init(_ path: String) {
    guard let text = normgen_template(path) else { preconditionFailure("\(path) is not embedded") }
    self.path = path
    self.text = String(cString: text)
  }
}
