/// A text file of the `Templates` folder, embedded in the binary.
package struct TemplateFile: Sendable {
  /// The file's name below `Templates`.
  package let path: String
  /// Its text.
  package let text: String

  package init(path: String, bytes: [UInt8]) {
    self.path = path
    self.text = String(decoding: bytes, as: UTF8.self)
  }
}
