import NormGenTemplates
import Synchronization

extension SupportLibrary {
  /// The libraries that were asked for, read once each.
  private static let libraries = Mutex<[String: SupportLibrary]>([:])

  /// The definitions for the target called `name`.
  ///
  /// - Throws: ``TemplateError`` for a target without a SIMD template.
  package static func of(target name: String) throws(TemplateError) -> SupportLibrary {
    if let known = libraries.withLock({ $0[name] }) { return known }
    let path = "simd/\(name).h.in"
    guard let file = TemplateFile.simd.first(where: { $0.path == path }) else {
      throw TemplateError(
        template: path, message: "the target '\(name)' has no SIMD template")
    }
    let library = SupportLibrary([file] + TemplateFile.math)
    libraries.withLock { $0[name] = library }
    return library
  }
}
