import NormGen

extension SeededGenerator {
  /// A constant of a kernel.
  mutating func constant() -> Float {
    choice([0.5, 2, -1, 0.1, 1, -0.75, 3, 0.0625, 1e-3, -0.0])
  }

  /// A step of one value, most of them near 1 for values near 1.
  mutating func unary(of x: Tensor) -> Tensor {
    switch below(18) {
    case 0: return -x
    case 1: return x.absolute()
    case 2: return x.absolute().squareRoot()
    case 3: return (-x.absolute()).exp()
    case 4: return (x.absolute() + 1).log()
    case 5: return x.tanh()
    case 6: return x.erf()
    case 7: return x.sigmoid()
    case 8: return x.relu()
    case 9: return x.leakyReLU(slope: 0.1)
    case 10: return x.silu()
    case 11: return x.gelu()
    case 12: return x.geluTanh()
    case 13: return x + constant()
    case 14: return constant() - x
    case 15: return x * constant()
    case 16: return 1 / (x * x + 0.5)
    default:
      // These may leave the range of finite numbers.
      return choice([x.exp(), x.squareRoot(), x.log(), 1 / x, x / x, x.binade()])
    }
  }

  /// A step of two values.
  mutating func binary(of left: Tensor, _ right: Tensor) -> Tensor {
    switch below(7) {
    case 0: return left + right
    case 1: return left - right
    case 2, 3: return left * right
    case 4: return left / (right.absolute() + 0.5)
    case 5: return left.maximum(right)
    default: return left.minimum(right)
    }
  }

  /// Terms of a sum that are no values of their own: what is added to the sum so far must be
  /// computed first.
  mutating func terms(of x: Tensor, _ y: Tensor, _ z: Tensor) -> Tensor {
    switch below(7) {
    case 0: return x + y
    case 1: return x - y
    case 2: return x - (y - z)
    case 3: return x + y * z
    case 4: return x.multiplyAdd(y, z)
    case 5: return (x + y) * z
    default: return -x
    }
  }

  /// A name as long as names may be but for a few characters, which begins like all of its kind.
  mutating func longName(_ number: Int) -> String {
    let length = Identifier.longest - below(12)
    let end = "_\(number)"
    return String(repeating: choice(["long_name_", "x", "n_"]), count: length).prefix(
      length - end.count) + end
  }
}
