public import NormGenLoops
public import NormGenSchedule

extension LoopProgram {
  /// The phases of a call that `parts` threads share, as the emitted `NAME_phases` counts them.
  public func phases(rows: Int, parts: Int) -> Int {
    parts > 1 && rows <= blockRows ? steps.count : 1
  }

  /// The bytes of scratch memory of such a call, as the emitted `NAME_scratch_bytes` counts them.
  ///
  /// A kernel without matmuls takes none.
  public func scratchBytes(rows: Int, parts: Int, target: Target) -> Int {
    guard onlyKernel == nil else { return 0 }
    let products = CMatmul.all(of: self, symbol: name, target: target)
    let gathered = products.filter { !$0.product.isPacked }.map(\.gatheredBytes).max() ?? 0
    let copies = phases(rows: rows, parts: parts) > 1 ? 1 : parts
    // Whatever the memory begins at, the panels begin at a cache line.
    return copies * panelBytes(rows: rows) + parts * gathered + 64
  }
}
