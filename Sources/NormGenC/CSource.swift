/// A prefix that would make two names of a file one.
public struct PrefixError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kernel's symbol.
  public let kernel: String
  /// The prefix.
  public let prefix: String
  /// The name that the file has already.
  public let name: String

  public var description: String {
    "the prefix '\(prefix)' makes '\(name)' of another name, and \(kernel).c has a '\(name)' already"
  }
}

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

  /// The same functions, with a prefix before all names that the `.c` file defines for itself: its
  /// types, macros and static functions. Files with different prefixes fit in one translation unit.
  ///
  /// - Parameter prefix: A C identifier that does not begin with an underscore.
  /// - Throws: ``PrefixError`` if the file has another name that begins with the prefix and would be met.
  public func prefixingOwnNames(with prefix: String) throws(PrefixError) -> CSource {
    // Names with two underscores are the compiler's.
    let own = CText.definedNames(in: source).filter { !$0.hasPrefix("__") }
    let names = Dictionary(own.map { ($0, prefix + $0) }, uniquingKeysWith: { first, _ in first })
    let present = CText.identifiers(in: source + header)
    if let name = names.values.filter(present.contains).min() {
      throw PrefixError(kernel: self.name, prefix: prefix, name: name)
    }
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
