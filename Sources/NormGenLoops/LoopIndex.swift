/// The names of the indices that loops over rows have; values and pointers have others.
public enum LoopIndex {
  /// The row that is handled.
  public static let row = "row"
  /// The row that is handled next.
  public static let next = "next"
  /// The element that 64 elements begin with.
  public static let element = "i"
  /// The vector among those of 64 elements.
  public static let vector = "p"
  /// The element that a block of the canonical order begins with.
  public static let block = "block"

  /// The index along an axis before the last, counted from the outermost.
  public static func outer(_ axis: Int) -> String { "outer\(axis)" }

  /// All of them but those along axes.
  public static let names: Set<String> = [row, next, element, vector, block]
}
