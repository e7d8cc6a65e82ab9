/// An element that PyTorch evaluates in Float32, with a bound on what the evaluation may lose.
///
/// The order of PyTorch's sums is unspecified, so a bound holds for every order. It is rounding
/// analysis with u = 2⁻²⁴ and γₖ = ku / (1 − ku) (Higham, Accuracy and Stability of Numerical
/// Algorithms, chapters 1 and 3), and a factor that covers the products of errors.
struct PyTorchValue: Sendable {
  /// The real value.
  let value: Double
  /// A bound on |PyTorch − value|.
  let bound: Double

  /// Half the distance of Float32 values relative to the smaller one.
  static let unit = 0x1p-24

  /// γ of a number of roundings.
  static func gamma(_ roundings: Double) -> Double {
    roundings * unit / (1 - roundings * unit)
  }

  /// What first-order analysis leaves out.
  static let slack = 1 + 0x1p-8
}
