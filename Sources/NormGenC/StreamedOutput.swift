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
    let survey = Survey(kernel)
    return kernel.buffers.compactMap { buffer in
      guard buffer.isOutput, let pointer = survey.vectorStores[buffer.name],
        !survey.loaded.contains(buffer.name),
        buffer.shape.rowExtent >= 2 * kernel.lanes
      else { return nil }
      let output = StreamedOutput(buffer: buffer, pointer: pointer)
      // Parts of a row must begin where a row may.
      let partBytes = buffer.shape.rowExtent * buffer.storage.byteCount
      guard
        buffer.shape.outerExtents.isEmpty
          || partBytes % output.alignment(lanes: kernel.lanes) == 0
      else { return nil }
      return output
    }
  }

  /// Which pointers lead to which buffers, and which buffers are stored to or loaded from.
  private struct Survey {
    var buffers: [String: String] = [:]
    var vectorStores: [String: Pointer] = [:]
    var loaded: Set<String> = []

    init(_ kernel: LoopKernel) {
      for buffer in kernel.buffers { buffers[buffer.name] = buffer.name }
      visit(kernel.row)
      for statement in kernel.row {
        statement.visitExpressions { expression in
          switch expression {
          case .load(let pointer, _, _), .loadScalar(let pointer, _):
            if let buffer = buffers[pointer.name] { loaded.insert(buffer) }
          case .vector, .scalar, .constant, .apply, .rounded, .leading, .combined: break
          }
        }
      }
    }

    private mutating func visit(_ statements: [Stmt]) {
      for statement in statements {
        switch statement {
        case .pointer(let pointer, let buffer, _): buffers[pointer.name] = buffer
        case .loop(_, _, _, _, let body), .block(_, let body), .rows(let body): visit(body)
        case .store(let pointer, _, _, .all), .storeGroup(let pointer, _, _):
          if let buffer = buffers[pointer.name] { vectorStores[buffer] = pointer }
        case .define, .variable, .assign, .store, .storeScalar, .setGroup, .accumulate, .comment,
          .scratch, .partials, .group, .nextRow, .prefetch:
          break
        }
      }
    }
  }
}
