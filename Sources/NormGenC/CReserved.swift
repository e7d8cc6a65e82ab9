import NormGenLoops

/// The one table of names that a kernel's own must differ from: what emitted functions call their
/// parameters and locals, and what C, its headers and its compilers define.
///
/// Keywords are refused in kernels; see `Identifier`. The definitions of the templates, the functions of
/// a program and the indices of a kernel's loops are read from them.
enum CReserved {
  /// What functions that name a kernel's values call their own.
  static let locals: Set<String> = [
    "rows", "all_rows", "first", "tile", "stream", "buffers", "strides",
  ]

  /// What the functions around row programs and products call their own.
  static let driver: Set<String> = [
    "scratch", "phase", "part", "parts", "panels", "gathered", "count", "blocks", "size", "end",
    "step", "first_step", "end_step", "sums", "block_sums", "is_first", runSteps,
  ]

  /// The function that does some of a program's steps.
  static let runSteps = "run_steps"

  /// What `<stdint.h>`, `<stddef.h>` and compilers define without an underscore in front.
  private static let defined: Set<String> = [
    "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t",
    "intptr_t", "uintptr_t", "intmax_t", "uintmax_t", "size_t", "ptrdiff_t", "max_align_t",
    "nullptr_t", "NULL", "offsetof", "unreachable", "main", "errno",
    // Macros of GNU's C for some systems and processors.
    "linux", "unix", "i386", "sun", "sparc", "mips", "mc68000", "m68k", "vax", "hppa", "sgi", "sh",
    "MIPSEB", "MIPSEL", "PPC", "AVR", "MSP430", "WIN32", "WIN64", "WINNT",
  ]

  /// Whether the name is in the table, for functions of any kernel.
  static func contains(_ name: String) -> Bool {
    locals.contains(name) || defined.contains(name) || isHeaderMacro(name)
      // Guards of emitted headers, and what Apple's compilers define.
      || name.hasPrefix(guardPrefix) || name.hasPrefix("TARGET_")
  }

  /// What the guard of an emitted header begins with.
  static let guardPrefix = "NORMGEN_"

  /// Whether `<stdint.h>` may define the name as a macro: limits, widths and literals (C11 7.20).
  private static func isHeaderMacro(_ name: String) -> Bool {
    ["_MAX", "_MIN", "_WIDTH", "_C"].contains { name.hasSuffix($0) }
      && name.utf8.allSatisfy { !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
  }
}
