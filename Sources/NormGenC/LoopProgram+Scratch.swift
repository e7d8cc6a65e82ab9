public import NormGenLoops
public import NormGenSchedule

extension LoopProgram {
  /// The phases of a call that `parts` threads share, as the emitted `NAME_phases` counts them.
  public func phases(rows: Int, parts: Int) -> Int {
    guard totals.isEmpty else {
      return sharesBlocks && parts > 1 ? steps.count * blocks(of: rows) + 1 : 2
    }
    return parts > 1 && rows <= blockRows ? steps.count : 1
  }

  private func blocks(of rows: Int) -> Int { (rows + blockRows - 1) / blockRows }

  /// The bytes of scratch memory of such a call, as the emitted `NAME_scratch_bytes` counts them.
  ///
  /// A kernel that is one row program takes none.
  public func scratchBytes(rows: Int, parts: Int, target: Target) -> Int {
    guard onlyKernel == nil else { return 0 }
    let products = CMatmul.all(of: self, symbol: name, target: target)
    let gathered = max(
      products.filter { !$0.product.isPacked }.map(\.gatheredBytes).max() ?? 0,
      CTotals(self, target: target).gatheredBytes)
    guard totals.isEmpty else {
      let sums = totalStride * 4
      return sharesBlocks
        ? panelBytes(rows: rows) + parts * gathered + sums + 64 : blocks(of: rows) * sums + 64
    }
    let copies = phases(rows: rows, parts: parts) > 1 ? 1 : parts
    // Whatever the memory begins at, the panels begin at a cache line.
    return copies * panelBytes(rows: rows) + parts * gathered + 64
  }
}
