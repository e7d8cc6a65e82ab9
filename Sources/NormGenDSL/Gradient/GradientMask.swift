import NormGenIR

/// Where a gradient is 0 whatever the derivatives behind it are: not handed on by `select`, `max`,
/// `min` or an extreme, or vanished with a derivative that has underflowed.
///
/// A zero does not survive a product with infinity. So a factor that may be infinite is masked itself.
struct GradientMask {
  /// What the mask was applied to, so that one value masked twice is one value.
  private final class Applications {
    var values: [Key: Tensor] = [:]
  }

  private struct Key: Hashable {
    let value: ObjectIdentifier
    let otherwise: Float
  }

  let left: Tensor
  let right: Tensor
  /// Whether the gradient is kept where left > right, or where it is not.
  let keepsGreater: Bool
  private let applications = Applications()

  private init(left: Tensor, right: Tensor, keepsGreater: Bool) {
    self.left = left
    self.right = right
    self.keepsGreater = keepsGreater
  }

  /// Kept where left > right.
  static func greater(_ left: Tensor, than right: Tensor) -> GradientMask {
    GradientMask(left: left, right: right, keepsGreater: true)
  }

  /// Kept where left > right does not hold.
  static func notGreater(_ left: Tensor, than right: Tensor) -> GradientMask {
    GradientMask(left: left, right: right, keepsGreater: false)
  }

  /// Kept where a derivative that is not negative has not underflowed.
  static func nonzero(_ slope: Tensor) -> GradientMask { greater(slope, than: .constant(0)) }

  /// The value where the gradient is kept, `otherwise` elsewhere.
  func applied(to value: Tensor, otherwise: Float = 0) -> Tensor {
    let key = Key(value: ObjectIdentifier(value.node), otherwise: otherwise)
    if let known = applications.values[key] { return known }
    let masked =
      keepsGreater
      ? left.select(ifGreaterThan: right, value, else: .constant(otherwise))
      : left.select(ifGreaterThan: right, .constant(otherwise), else: value)
    applications.values[key] = masked
    return masked
  }

  /// Whether all elements of a row are kept, or none.
  var isOneNumber: Bool { left.shape.rowExtent == 1 && right.shape.rowExtent == 1 }

  func isSame(as other: GradientMask) -> Bool {
    keepsGreater == other.keepsGreater && GradientTerm.same(left, other.left)
      && GradientTerm.same(right, other.right)
  }

  /// The mask of rearranged elements; nil if it does not hold an element for each of `shape`.
  func rearranged(from shape: Shape, _ arrangement: (Tensor) -> Tensor) -> GradientMask? {
    func rearranged(_ tensor: Tensor) -> Tensor? {
      if tensor.node.constant != nil { return tensor }
      return tensor.shape == shape ? arrangement(tensor) : nil
    }
    guard let left = rearranged(left), let right = rearranged(right) else { return nil }
    return GradientMask(left: left, right: right, keepsGreater: keepsGreater)
  }
}
