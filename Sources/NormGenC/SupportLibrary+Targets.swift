import NormGenTemplates

extension SupportLibrary {
  /// The library of each target, read once.
  private static let libraries: [String: SupportLibrary] = {
    var table: [String: SupportLibrary] = [:]
    for file in TemplateFile.simd {
      let name = file.path.dropFirst("simd/".count).dropLast(".h.in".count)
      table[String(name)] = SupportLibrary([file] + TemplateFile.math)
    }
    return table
  }()

  /// The definitions for the target called `name`.
  ///
  /// - Throws: ``TemplateError`` for a target without a SIMD template.
  package static func of(target name: String) throws(TemplateError) -> SupportLibrary {
    guard let library = libraries[name] else {
      throw TemplateError(
        template: "simd/\(name).h.in", message: "the target '\(name)' has no SIMD template")
    }
    return library
  }
}
