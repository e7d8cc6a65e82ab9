import NormGenIR

/// The C names of a kernel's parameters and values: the loops' names, kept apart from everything
/// that the emitted file defines or the language reserves, by underscores at the end.
///
/// A name ends where it must, not at ``Identifier/longest``: compilers have no such limit.
struct CNames {
  private var names: [String: String] = [:]
  private var strides: [String: String] = [:]
  private var taken: Set<String>
  /// The names of the file, which all its functions share: united, they would be copied for each.
  private let ofFile: [Set<String>]

  /// - Parameters:
  ///   - parameters: The places among a function's parameters, which are named first.
  ///   - strided: Those that have a row stride, named next.
  ///   - library: The templates' definitions.
  ///   - reserved: Functions that the file has besides those.
  ///   - own: Indices and locals of the function.
  init(
    parameters: [String], withStrides strided: [String], library: SupportLibrary,
    reserved: Set<String>, own: Set<String>
  ) {
    self.taken = own
    self.ofFile = [library.names, reserved]
    for name in parameters { names[name] = free(name) }
    for name in strided { strides[name] = free("\(names[name] ?? name)_stride") }
  }

  /// The C name of a loop-level name that has one.
  func known(_ name: String) -> String { names[name] ?? name }

  /// The C name of a loop-level name.
  mutating func callAsFunction(_ name: String) -> String {
    if let known = names[name] { return known }
    let new = free(name)
    names[name] = new
    return new
  }

  /// The name of the row stride of a parameter.
  func stride(of parameter: String) -> String { strides[parameter] ?? "" }

  /// A name that nothing else has: the wanted one with underscores behind it.
  ///
  /// Each try is another name, and only finitely many are taken.
  private mutating func free(_ wanted: String) -> String {
    var candidate = CNames.withOneLeadingUnderscore(wanted)
    while isTaken(candidate) { candidate += "_" }
    taken.insert(candidate)
    return candidate
  }

  private func isTaken(_ name: String) -> Bool {
    taken.contains(name) || ofFile.contains { $0.contains(name) } || CReserved.contains(name)
      || Identifier.keywords.contains(name)
  }

  /// Names with two leading underscores belong to the compiler; `_` with something behind it is one.
  private static func withOneLeadingUnderscore(_ name: String) -> String {
    name.hasPrefix("__") ? "_" + name.drop { $0 == "_" } : name
  }
}
