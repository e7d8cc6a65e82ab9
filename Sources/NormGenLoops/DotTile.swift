public import NormGenIR

/// A tile of a product: rows by vectors of columns, of which each lane is one sum in a register, and how
/// products are added to the sums.
public struct DotTile: Hashable, Sendable {
  /// How it adds products, and so the types and the steps of what it reads.
  public let accumulation: Matmul.Accumulation
  /// The most rows.
  public let rows: Int
  /// Vectors of columns.
  public let vectors: Int

  /// Creates a tile.
  public init(_ accumulation: Matmul.Accumulation, rows: Int, vectors: Int) {
    self.accumulation = accumulation
    self.rows = rows
    self.vectors = vectors
  }

  /// The rows that tiles are made for, the most first: what one leaves over the next ones take.
  public var heights: [Int] { [rows] + [8, 4, 2, 1].filter { $0 < rows } }

  /// The columns that packed weights are cut into.
  public func columns(lanes: Int) -> Int { lanes * vectors }
}
