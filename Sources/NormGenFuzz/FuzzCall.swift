import NormGen
import NormGenCheck

/// One call of a kernel of a fuzzing run.
public struct FuzzCall: Hashable, Sendable, CustomStringConvertible {
  /// The number of rows.
  public let rows: Int
  /// The first of the ``SpecialRows`` that the inputs hold; nil for ordinary values.
  public let firstSpecial: Int?

  /// A call on rows of ordinary or special values.
  public init(rows: Int, firstSpecial: Int? = nil) {
    self.rows = rows
    self.firstSpecial = firstSpecial
  }

  public var description: String {
    firstSpecial.map { "special rows \($0) to \($0 + rows - 1)" } ?? "rows \(rows)"
  }

  /// A tensor for each input of `graph`.
  func inputs(for graph: Graph, seed: UInt64) throws(TensorError) -> [String: HostTensor] {
    guard let firstSpecial else {
      return try RandomInputs.tensors(for: graph, rows: rows, seed: seed)
    }
    let special = try SpecialRows(for: graph, seed: seed)
    return try special.inputs(rows: firstSpecial..<min(firstSpecial + rows, special.count))
  }
}
