import NormGenIR
import NormGenLoops
import NormGenSchedule

/// The functions that put weights in the order in which a product reads them.
extension ProductFunctions {
  var block: Pointer { Pointer(name: "block", storage: product.storage) }

  func gather() -> LoopFunction {
    let order =
      isDot
      ? "pairs of steps, column by column"
      : isInterleaved ? "step by step, the columns of both vectors in turns" : "step by step"
    let isPlain = product.matmul.layout == .inOut && !isDot && !isInterleaved
    return LoopFunction(
      gatherName,
      comment: "The weights of a panel of \(columns) columns, `depth` steps from step k on, as the "
        + "product reads them: \(order); zeros beyond the last column.",
      parameters: [
        .read(weights), .init("panel", .index), .init("k", .index), .init("depth", .index),
        .written(block),
      ],
      body: [.index("first", .constant(columns) * "panel")]
        + [isPlain ? gatherRows() : gatherElements()])
  }

  /// One weight after the other, along the weights' own rows.
  func gatherElements() -> Stmt {
    let (count, depth) = (product.columns, product.depth)
    let isInOut = product.matmul.layout == .inOut
    let source: Index =
      isInOut
      ? .constant(count) * ("k" + "i") + "first" + "c"
      : .constant(depth) * ("first" + "c") + "k" + "i"
    let place: Index
    if isDot {
      place = .constant(columns) * ("i" - "i" % 2) + 2 * "c" + "i" % 2
    } else if isInterleaved {
      place =
        .constant(columns) * "i" + 2 * ("c" % .constant(lanes)) + "c" / .constant(lanes)
    } else {
      place = .constant(columns) * "i" + "c"
    }
    let isOdd = isDot && depth % 2 == 1
    let isColumn: LoopCondition = "first" + "c" < .constant(count)
    let isInside = isOdd ? .both(isColumn, "k" + "i" < .constant(depth)) : isColumn
    let end: Index = isOdd ? "depth" + "depth" % 2 : "depth"
    let copy: Stmt = .storeStored(
      block, at: place, .choose(isInside, .stored(weights, at: source), .storedZero))
    let last = Index.constant(columns)
    return isInOut
      ? .each("i", upTo: end, .each("c", upTo: last, copy))
      : .each("c", upTo: last, .each("i", upTo: end, copy))
  }

  /// Whole vectors of a weight row, which are also those of the block.
  func gatherRows() -> Stmt {
    let row = Pointer(name: "row", storage: product.storage)
    let place = Pointer(name: "place", storage: product.storage)
    let vector = Index.constant(lanes) * "v"
    func copy(_ lanes: Lanes) -> Stmt {
      .storeStored(place, at: 0, .storedVector(row, at: vector, lanes))
    }
    return .loop(
      index: "i", from: 0, to: "depth", step: 1,
      body: [
        .pointer(
          row, buffer: weights.name,
          offset: .constant(product.columns) * ("k" + "i") + "first"),
        .each(
          "v", upTo: .constant(vectors),
          .index("left", .constant(product.columns) - "first" - vector),
          .pointer(place, buffer: block.name, offset: .constant(columns) * "i" + vector),
          .when(
            .constant(lanes) <= "left", [copy(.all)],
            otherwise: [
              .when(
                0 < "left", [copy(.leading("left"))],
                otherwise: [.storeStored(place, at: 0, .storedZeros(product.storage))])
            ])),
      ])
  }

  func packedElements() -> LoopFunction {
    LoopFunction(
      packing.elementsSymbol,
      comment: "The \(product.storage.rawValue) elements of packed \(product.weights).",
      linkage: .exported, parameters: [], returnsIndex: true,
      body: [.leave(.constant(packing.elements))])
  }

  func pack() -> LoopFunction {
    let packed = Pointer(name: "packed", storage: product.storage)
    let call: Stmt = .call(
      gatherName,
      [
        .place(weights.name, at: 0), .index("panel"), .index("k"), .index("depth"),
        .place(packed.name, at: packedPlace),
      ])
    return LoopFunction(
      packName, comment: packContract, linkage: .exported,
      parameters: [.read(weights), .written(packed)],
      body: [
        .loop(index: "panel", from: 0, to: .constant(panels), step: 1, body: [blocks([call])])
      ])
  }

  var packContract: String {
    let shape: String
    switch product.matmul.layout {
    case .inOut: shape = "[\(product.depth), \(product.columns)]"
    case .outIn: shape = "[\(product.columns), \(product.depth)]"
    }
    return "Packs \(product.weights): reads \(product.storage.rawValue) \(shape) and writes "
      + "\(packing.elements) elements."
  }
}
