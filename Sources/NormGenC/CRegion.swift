import NormGenSchedule

/// Lines around C that change how compilers treat the functions between them.
struct CRegion {
  let begin: String
  let end: String

  /// Loops that copy or clear stay loops, so that the file needs no library.
  static let keepLoops = CRegion(
    begin: """

      #if defined(__clang__)
      #pragma clang attribute push(__attribute__((no_builtin("memcpy", "memmove", "memset"))), apply_to = function)
      #elif defined(__GNUC__)
      #pragma GCC optimize("no-tree-loop-distribute-patterns")
      #endif

      """, end: CRegion.pop)

  fileprivate static let none = CRegion(begin: "", end: "")

  fileprivate static let pop = """

    #if defined(__clang__)
    #pragma clang attribute pop
    #endif

    """
}

extension Target {
  /// What must hold for a file to be more than empty.
  var machineCondition: String { guardMacro.map { "defined(\($0))" } ?? "1" }

  /// Lines that let the compiler use the target's instructions whatever its flags say.
  var featureRegion: CRegion {
    guard let features = functionFeatures else { return .none }
    return CRegion(
      begin: """

        #if defined(__clang__)
        #pragma clang attribute push(__attribute__((target("\(features)"))), apply_to = function)
        #elif defined(__GNUC__)
        #pragma GCC target("\(features)")
        #endif

        """, end: CRegion.pop)
  }
}
