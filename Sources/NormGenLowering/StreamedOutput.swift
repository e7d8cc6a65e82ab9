import NormGenIR
import NormGenLoops
import NormGenSchedule

/// An output whose vectors may bypass the caches.
///
/// Its vectors begin at a multiple of their size if its rows do, and nothing reads it back.
struct StreamedOutput {
  /// The output.
  let buffer: Buffer
  /// The pointer to a row of it.
  let pointer: Pointer

  /// What the address of a row must be a multiple of: no store is wider than a vector register.
  func alignment(lanes: Int) -> Int { lanes * 4 }

  /// Bytes that a row writes.
  var bytesPerRow: Int { buffer.shape.elementsPerRow * buffer.storage.byteCount }

  /// The outputs of `rowProgram` that qualify; none where the target or the schedule has no such stores.
  static func all(
    of rowProgram: RowProgram, schedule: Schedule, target: Target
  ) -> [StreamedOutput] {
    target.hasStreamingStores && schedule.streamingBytes != nil ? all(of: rowProgram) : []
  }

  private static func all(of rowProgram: RowProgram) -> [StreamedOutput] {
    let survey = Survey(rowProgram)
    return rowProgram.buffers.compactMap { buffer in
      guard buffer.isOutput, let pointer = survey.vectorStores[buffer.name],
        !survey.loaded.contains(buffer.name),
        buffer.shape.rowExtent >= 2 * rowProgram.lanes
      else { return nil }
      let output = StreamedOutput(buffer: buffer, pointer: pointer)
      // Parts of a row must begin where a row may.
      let alignment = output.alignment(lanes: rowProgram.lanes)
      let isAligned = survey.steps[pointer.name, default: []].allSatisfy {
        $0 * buffer.storage.byteCount % alignment == 0
      }
      return isAligned ? output : nil
    }
  }

  /// Which pointers lead to which buffers, and which buffers are stored to or loaded from.
  private struct Survey {
    var buffers: [String: String] = [:]
    var vectorStores: [String: Pointer] = [:]
    var loaded: Set<String> = []
    /// The elements from one part of a row to the next, by the pointer to a part.
    var steps: [String: [Int]] = [:]

    init(_ rowProgram: RowProgram) {
      for buffer in rowProgram.buffers { buffers[buffer.name] = buffer.name }
      visit(rowProgram.row)
      for statement in rowProgram.row {
        statement.visitExpressions { expression in
          if let pointer = expression.source, let buffer = buffers[pointer.name] {
            loaded.insert(buffer)
          }
        }
      }
    }

    private mutating func visit(_ statements: [Stmt]) {
      for statement in statements {
        statement.visit { inner in
          if case .pointer(let pointer, let buffer, let offset) = inner {
            buffers[pointer.name] = buffer
            steps[pointer.name] = offset.steps
          }
          if let pointer = inner.vectorStore, let buffer = buffers[pointer.name] {
            vectorStores[buffer] = pointer
          }
        }
      }
    }
  }
}

extension Stmt {
  /// The pointer that it stores whole vectors to.
  fileprivate var vectorStore: Pointer? {
    if case .store(let pointer, _, _, .all) = self { return pointer }
    if case .storeGroup(let pointer, _, _) = self { return pointer }
    return nil
  }
}

extension Index {
  /// What its loop indices are multiplied by; rows are as far apart as the caller says.
  fileprivate var steps: [Int] {
    switch self {
    case .constant(let value): [value]
    case .variable: [1]
    case .stride: []
    case .sum(let left, let right): left.steps + right.steps
    case .product(_, .stride), .product(.stride, _): []
    case .product(let index, .constant(let factor)), .product(.constant(let factor), let index):
      index.steps.map { $0 * factor }
    case .product, .difference, .quotient, .remainder, .choose, .share, .result: [1]
    }
  }
}
