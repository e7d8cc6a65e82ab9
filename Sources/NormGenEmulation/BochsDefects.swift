/// What Bochs 2.7 computes wrongly, in other instructions that say the same.
///
/// Only assembly is written anew; C and objects run as they are.
enum BochsDefects {
  /// The kernel as Bochs executes it rightly.
  static func evading(_ kernel: EmulatedKernel) -> EmulatedKernel {
    guard case .assembly(let text) = kernel.source else { return kernel }
    var kernel = kernel
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    kernel.source = .assembly(lines.map(evading).joined(separator: "\n"))
    return kernel
  }

  private static func evading(_ line: Substring) -> Substring {
    if line.hasPrefix("\tvpextrw\t") { return "\t{disp32} " + line.dropFirst() }
    if line.hasPrefix("\tkshift") { return maskShift(line) }
    return line
  }

  // The displacement of one byte in the EVEX form of vpextrw is not scaled, so one of four bytes is
  // asked for. A shift of a mask by all but one of its bits gives zero, so it takes two steps.
  private static func maskShift(_ line: Substring) -> Substring {
    let widths: [Character: Int] = ["b": 8, "w": 16, "d": 32, "q": 64]
    let parts = line.split(separator: "\t", maxSplits: 1)
    guard parts.count == 2, let width = parts[0].last.flatMap({ widths[$0] }),
      parts[1].hasPrefix("$\(width - 1),")
    else { return line }
    let masks = parts[1].split(separator: ",").dropFirst().map { $0.drop { $0 == " " } }
    guard masks.count == 2 else { return line }
    return """
      \t\(parts[0])\t$1, \(masks[0]), \(masks[1])
      \t\(parts[0])\t$\(width - 2), \(masks[1]), \(masks[1])
      """
  }
}
