/// An emitted kernel: a C file and its header, complete in themselves.
public struct CSource: Hashable, Sendable {
  /// The C function's name; `<name>_entry` is its form for callers with arrays of parameters.
  public let name: String
  /// The target's name.
  public let target: String
  /// The text of the `.c` file: byte for byte what is compiled in process.
  public let source: String
  /// The text of the `.h` file.
  public let header: String
  /// The part of `source` that is the kernel's own.
  package let definitions: String
  /// Whether compilers would call the C library's memcpy or memset for some of its loops.
  package let keepsLoops: Bool

  /// The name of the entry that takes its parameters in arrays.
  public var entryName: String { "\(name)_entry" }

  /// The same functions, with a prefix before all names that the `.c` file defines for itself: its
  /// types, macros and static functions. Files with different prefixes fit in one translation unit.
  ///
  /// - Parameter prefix: A C identifier that does not begin with an underscore.
  public func prefixingOwnNames(with prefix: String) -> CSource {
    // Names with two underscores are the compiler's.
    let own = CText.definedNames(in: source).filter { !$0.hasPrefix("__") }
    let names = Dictionary(own.map { ($0, prefix + $0) }, uniquingKeysWith: { first, _ in first })
    return CSource(
      name: name, target: target, source: CText.renaming(names, in: source), header: header,
      definitions: CText.renaming(names, in: definitions), keepsLoops: keepsLoops)
  }

  /// The same functions with another text in the `.c` file.
  public func replacingText(with text: String) -> CSource {
    CSource(
      name: name, target: target, source: text, header: header, definitions: text,
      keepsLoops: keepsLoops)
  }
}
