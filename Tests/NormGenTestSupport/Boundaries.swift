/// The one list of extents that tests take their shapes from, each with its reason.
public enum Boundaries {
  /// An extent and why it is tested.
  public struct Extent: Sendable, CustomStringConvertible {
    /// Elements of a row.
    public let extent: Int
    /// What happens there.
    public let reason: String

    public var description: String { "\(extent) (\(reason))" }
  }

  /// Hidden sizes.
  public static let extents: [Extent] = [
    Extent(extent: 1, reason: "a row of one element"),
    Extent(extent: 2, reason: "less than any vector"),
    Extent(extent: 3, reason: "less than any vector, odd: the last 16-bit element is alone"),
    Extent(extent: 4, reason: "one vector of portable and neon"),
    Extent(extent: 5, reason: "that and one"),
    Extent(extent: 7, reason: "one less than a vector of avx2"),
    Extent(extent: 8, reason: "one vector of avx2"),
    Extent(extent: 9, reason: "that and one"),
    Extent(extent: 15, reason: "one less than a vector of avx512"),
    Extent(extent: 16, reason: "one vector of avx512"),
    Extent(extent: 17, reason: "that and one"),
    Extent(extent: 31, reason: "two vectors of avx512 less one"),
    Extent(extent: 32, reason: "two vectors of avx512: the least that may bypass the caches"),
    Extent(extent: 33, reason: "that and one"),
    Extent(extent: 63, reason: "the 64 partial sums less one"),
    Extent(extent: 64, reason: "the 64 partial sums"),
    Extent(extent: 65, reason: "that and one"),
    Extent(extent: 127, reason: "a prime below two groups of partials"),
    Extent(extent: 128, reason: "a head; 16 vectors of avx2"),
    Extent(extent: 129, reason: "that and one: other schedules"),
    Extent(extent: 255, reason: "16 vectors of avx512 less one"),
    Extent(extent: 256, reason: "16 vectors of avx512"),
    Extent(extent: 257, reason: "a prime, that and one"),
    Extent(extent: 300, reason: "the paper's input size; windows of 18 or 19"),
    Extent(extent: 384, reason: "all-MiniLM-L6-v2"),
    Extent(extent: 1000, reason: "a tail of half a vector"),
    Extent(extent: 4095, reason: "a block of the canonical order less one"),
    Extent(extent: 4096, reason: "one block; LLaMA-7B"),
    Extent(extent: 4097, reason: "one block and one element"),
    Extent(extent: 4160, reason: "one block and one group of partials"),
    Extent(extent: 8193, reason: "two blocks and one element"),
  ]

  /// Numbers of rows: none, one, two, and such as no unrolling divides.
  public static let rows = [0, 1, 2, 3, 17]
}
