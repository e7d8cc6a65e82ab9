package import NormGenSchedule
import NormGenTemplates
import Synchronization

extension SupportLibrary {
  /// The libraries that were asked for, read once each.
  private static let libraries = Mutex<[[String]: SupportLibrary]>([:])

  /// The definitions for a target.
  ///
  /// - Throws: ``TemplateError`` for a target without a SIMD template.
  package static func of(target: Target) throws(TemplateError) -> SupportLibrary {
    if let known = libraries.withLock({ $0[target.templates] }) { return known }
    var files: [TemplateFile] = []
    for template in target.templates {
      let path = "simd/\(template).h.in"
      guard let file = TemplateFile.simd.first(where: { $0.path == path }) else {
        throw TemplateError(
          template: path, message: "the target '\(target)' has no SIMD template")
      }
      files.append(file)
    }
    let library = SupportLibrary(files + TemplateFile.math, layers: files)
    libraries.withLock { $0[target.templates] = library }
    return library
  }
}
