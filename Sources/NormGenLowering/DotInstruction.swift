import NormGenIR
import NormGenLoops

/// What adds the products of a step to the chains of a tile: an accumulation as registers see it.
///
/// Tile, packing and prefetching are made from this; another accumulation is one more of these.
struct DotInstruction {
  /// The products of an element that it adds.
  let step: Int
  /// What a register of weights holds.
  let register: LoopArrayElement
  /// What functions call a row's operand.
  let operand: String
  /// The chains in words.
  let summary: String
  /// A row's operand in every lane, from a place on.
  private let broadcast: (Pointer, Index, _ isPartial: Bool) -> LoopExpr
  /// A register of weights from a place on.
  private let loaded: (Pointer, Index) -> LoopExpr
  /// A chain with the products of an operand and a register of weights added.
  private let sum: (_ chain: LoopExpr, _ operand: LoopExpr, _ weights: LoopExpr) -> LoopExpr

  init(_ accumulation: Matmul.Accumulation) {
    step = accumulation.step.depth
    switch accumulation {
    case .fused:
      (register, operand, summary) = (.vector, "element", "fused multiply-adds")
      broadcast = { x, place, _ in .broadcast(.loadScalar(x, at: place)) }
      loaded = { .load($0, at: $1, .all) }
      sum = { chain, element, weights in .apply(.multiplyAdd, [element, weights, chain]) }
    case .bf16Dot:
      (register, operand, summary) = (.pairs, "pair", "dot products of bf16 pairs")
      broadcast = { x, place, isPartial in .pair(x, at: place, isHalf: isPartial) }
      loaded = { .pairs($0, at: $1) }
      sum = { chain, pair, weights in .dot(chain, pair, weights) }
    case .int8:
      (register, operand, summary) = (.words, "quad", "products of integers")
      broadcast = { x, place, _ in .quad(x, at: place) }
      loaded = { .words($0, at: $1) }
      sum = { sums, quad, weights in .quadDot(.wide, sums, words: weights, quad: quad) }
    }
  }

  /// A row's operand in every lane.
  ///
  /// - Parameter isPartial: Whether the row ends within the step; +0 stands for what is missing.
  func operand(of x: Pointer, at place: Index, isPartial: Bool = false) -> LoopExpr {
    broadcast(x, place, isPartial)
  }

  /// A register of weights.
  func weights(_ pointer: Pointer, at place: Index) -> LoopExpr { loaded(pointer, place) }

  /// The chain of row r and vector v with the products of `weights` added.
  func added(_ weights: LoopExpr) -> Stmt {
    .setEntry(
      "chain", ["r", "v"],
      sum(.entry("chain", ["r", "v"]), .vector(operand), weights))
  }
}

/// The order of a sliver's weights, step by step.
///
/// A sliver, a word of GotoBLAS and BLIS, is the columns of one tile of a product's weights over all
/// of K, as they lie packed one after the other.
struct SliverOrder {
  /// The columns of the sliver.
  let columns: Int
  /// The steps of k that lie side by side, column by column.
  let step: Int
  /// The vectors whose columns take turns; one for columns that lie as they come.
  let turns: Int
  /// Columns of a vector.
  let lanes: Int

  /// Where the weight of step `i` and column `c` lies.
  func place(_ i: Index, _ c: Index) -> Index {
    if step > 1 {
      let (steps, depth) = (Index.constant(step), i % .constant(step))
      return .constant(columns) * (i - depth) + steps * c + depth
    }
    let row = Index.constant(columns) * i
    guard turns > 1 else { return row + c }
    return row + .constant(turns) * (c % .constant(lanes)) + c / .constant(lanes)
  }

  /// Whether the columns of a step lie as they come.
  var isPlain: Bool { step == 1 && turns == 1 }

  /// The order in words.
  var summary: String {
    if step > 1 { return "\(step == 2 ? "pairs" : "groups of \(step)") of steps, column by column" }
    return turns > 1
      ? "step by step, the columns of both vectors in turns" : "step by step"
  }
}
