import NormGenIR
import NormGenLoops

/// The functions that put blocks in the order in which a product reads them.
extension BlockFunctions {
  /// Puts one block of each column of a sliver side by side.
  func gather() -> LoopFunction {
    let weights = product.weights
    let block = product.block
    let rowBytes = blocks * format.byteCount
    let isColumn: LoopCondition = "c" < "count"
    func store(_ place: Index, _ value: LoopExpr) -> Stmt {
      .storeStored(block, at: place, .choose(isColumn, value, .storedZero))
    }
    /// The lowest of an integer's bits, counted from the weights' first.
    func position(_ bits: BlockFormat.Bits, _ index: Index) -> Index {
      var (place, rest) = (Index.constant(8 * rowBytes) * "c" + .constant(bits.first), index)
      let axes = zip(bits.extents, bits.strides).filter { $0.0 > 1 }
      for (axis, (extent, stride)) in axes.enumerated() {
        let isLast = axis == axes.count - 1
        let own = isLast ? rest : rest % .constant(extent)
        place = place + .constant(stride) * own
        rest = rest / .constant(extent)
      }
      return place
    }
    /// The bits of an integer in one part, from its least or, if they are signed, as a two's complement.
    func bits(
      _ integers: BlockFormat.Integers, _ part: Int, at bit: Index, areSigned: Bool = false
    ) -> LoopExpr {
      .storedBits(
        weights, at: bit, count: integers.parts[part].width,
        isFlipped: integers.isSigned != areSigned && part == integers.parts.count - 1)
    }
    func factor(_ factor: PackedBlocks.Factor) -> [Stmt] {
      let bytes = factor.factor.type.byteCount
      let number = Stmt.each(
        "i", upTo: .constant(bytes),
        store(
          .constant(bytes) * "c" + "i" + .constant(factor.numbers),
          .stored(
            weights, at: .constant(rowBytes) * "c" + "i" + .constant(factor.factor.byte))))
      guard let integers = factor.factor.integers else { return [number] }
      return [number, shared(integers, at: factor.integers)]
    }
    /// The integers of sub-blocks, a byte for each.
    func shared(_ integers: BlockFormat.Integers, at first: Int) -> Stmt {
      let isOne = integers.count == 1
      func place(_ part: Int) -> Index { position(integers.parts[part], isOne ? 0 : "s") }
      let value = joined(
        integers.parts.indices.map { part in
          let bit = isOne ? place(part) : .variable(bitName(part))
          return (bits(integers, part, at: bit), integers.parts[part].width)
        })
      guard !isOne else { return store("c" + .constant(first), value) }
      let places = integers.parts.indices.map { Stmt.index(bitName($0), place($0)) }
      return .loop(
        index: "s", from: 0, to: .constant(integers.count), step: 1,
        body: places + [store(.constant(columns) * "s" + "c" + .constant(first), value)])
    }
    func quants(_ part: Int) -> Stmt {
      let width = format.quants.parts[part].width
      let elements = layout.wordElements(part)
      let turns = 0..<8 / width
      let places = turns.map { turn in
        Stmt.index(
          bitName(turn), position(format.quants.parts[part], "element" + .constant(4 * turn)))
      }
      let byte = joined(
        turns.map { turn in
          (
            bits(
              format.quants, part, at: .variable(bitName(turn)), areSigned: layout.isSigned),
            width
          )
        })
      return .each(
        "w", upTo: .constant(format.elementCount / elements),
        .loop(
          index: "j", from: 0, to: 4, step: 1,
          body: [.index("element", .constant(elements) * "w" + "j")] + places + [
            store(
              .constant(4 * columns) * "w" + .constant(4) * "c" + "j"
                + .constant(layout.quants[part]), byte)
          ]))
    }
    var factors = factor(layout.scale) + (layout.minimum.map(factor) ?? [])
    if let integers = format.zeroPoints, let place = layout.zeroPoints {
      factors.append(shared(integers, at: place))
    }
    return LoopFunction(
      product.gatherName,
      comment:
        "A block of each of the \(columns) columns of a sliver, as the product reads them: "
        + "scales\(format.zeroPoints == nil ? "" : " and zero points"), then quants in words of 4 bytes, column by column; zeros beyond the `count` columns that "
        + "are left.",
      parameters: [.read(weights), .init("count", .index), .written(block)],
      body: [
        .loop(
          index: "c", from: 0, to: .constant(columns), step: 1,
          body: factors + format.quants.parts.indices.map(quants))
      ])
  }

  /// Bits of some widths side by side, the lowest first.
  private func joined(_ parts: [(bits: LoopExpr, width: Int)]) -> LoopExpr {
    var place = parts[0].width
    return parts.dropFirst().reduce(parts[0].bits) { value, part in
      defer { place += part.width }
      return .joined(value, part.bits, at: place)
    }
  }

  /// What packing calls the lowest bit of a part, or of an element that shares a byte.
  private func bitName(_ number: Int) -> String { number == 0 ? "bit" : "bit_\(number + 1)" }

  /// The body of the function that packs all weights.
  func pack() -> Stmt {
    let source = Index.constant(blocks * format.byteCount * columns) * "sliver"
    return .each(
      "sliver", upTo: .constant(product.slivers),
      .each(
        "b", upTo: .constant(blocks),
        .call(
          product.gatherName,
          [
            .place(
              product.weights.name, at: source + .constant(format.byteCount) * "b"),
            .index(product.left(behind: "sliver")),
            .place(
              "packed",
              at: .constant(sliverBytes) * "sliver" + .constant(layout.byteCount) * "b"),
          ])))
  }
}
