import NormGenIR
import NormGenLoops

/// An output whose vectors may bypass the caches.
///
/// Its vectors begin at a multiple of their size if its rows do, and nothing reads it back.
struct StreamedOutput {
  let buffer: Buffer
  let pointer: Pointer

  /// What the address of a row must be a multiple of: no store is wider than a vector register.
  func alignment(lanes: Int) -> Int { lanes * 4 }

  var bytesPerRow: Int { buffer.shape.elementsPerRow * buffer.storage.byteCount }

  /// The outputs of `kernel` that qualify.
  static func all(of kernel: LoopKernel) -> [StreamedOutput] {
    var survey = Survey()
    survey.visit(kernel.row)
    return kernel.buffers.compactMap { buffer in
      guard buffer.isOutput, let pointer = survey.vectorStores[buffer.name],
        !survey.loaded.contains(pointer.name),
        buffer.shape.rowExtent >= 2 * kernel.lanes,
        buffer.shape.outerExtents.isEmpty || buffer.shape.rowExtent % kernel.lanes == 0
      else { return nil }
      return StreamedOutput(buffer: buffer, pointer: pointer)
    }
  }

  /// Which pointers lead to which buffers, and which are stored to or loaded from as vectors.
  private struct Survey {
    var buffers: [String: String] = [:]
    var vectorStores: [String: Pointer] = [:]
    var loaded: Set<String> = []

    mutating func visit(_ statements: [Stmt]) {
      for statement in statements {
        switch statement {
        case .pointer(let pointer, let buffer, _): buffers[pointer.name] = buffer
        case .loop(_, _, _, _, let body), .block(_, let body): visit(body)
        case .define(_, let value), .variable(_, let value), .assign(_, let value),
          .storeScalar(_, _, let value):
          visit(value)
        case .accumulate(_, _, _, let terms, _):
          for term in terms { visit(term) }
        case .store(let pointer, _, let value, let lanes):
          visit(value)
          if lanes == .all, let buffer = buffers[pointer.name] { vectorStores[buffer] = pointer }
        case .storeGroup(let pointer, _, _):
          if let buffer = buffers[pointer.name] { vectorStores[buffer] = pointer }
        case .setGroup(_, _, let value): visit(value)
        case .comment, .scratch, .partials, .group, .nextRow, .prefetch: break
        }
      }
    }

    private mutating func visit(_ expression: LoopExpr) {
      switch expression {
      case .load(let pointer, _, _), .loadScalar(let pointer, _): loaded.insert(pointer.name)
      case .apply(_, let operands):
        for operand in operands { visit(operand) }
      case .rounded(_, let operand): visit(operand)
      case .vector, .scalar, .constant, .combined: break
      }
    }
  }
}
