import NormGenIR
import NormGenLoops

/// Loop expressions as C.
struct CExpression {
  var names: CNames
  /// The scalars and groups that each row of a tile has one of.
  let tileNames: Set<String>

  // MARK: Indices

  /// A whole number.
  func term(_ index: Index) -> CTerm {
    switch index {
    case .constant(let value): .number(value)
    case .variable(let name): .name(name)
    case .stride(let buffer): .name(names.stride(of: buffer))
    case .sum(let left, let right): term(left) + term(right)
    case .product(let left, let right): term(left) * term(right)
    }
  }

  /// `base + index`, without `+ 0`.
  mutating func address(_ pointer: Pointer, _ index: Index) -> CTerm {
    let base = CTerm.name(names(pointer.name))
    return index == .constant(0) ? base : base.displaced(by: term(index))
  }

  /// A name, or the current row's element if a tile has several.
  mutating func element(_ name: String) -> CTerm {
    let whole = CTerm.name(names(name))
    return tileNames.contains(name) ? whole[.name("row") - .name("first")] : whole
  }

  // MARK: Values

  /// The expression as a vector, broadcast if it is a scalar.
  mutating func vector(_ expression: LoopExpr) -> CTerm {
    expression.isVector ? term(expression) : .call("broadcast", [term(expression)])
  }

  /// The expression.
  mutating func term(_ expression: LoopExpr) -> CTerm {
    switch expression {
    case .vector(let name), .scalar(let name): return element(name)
    case .constant(let value): return .literal(value)
    case .load(let pointer, let index, let lanes):
      let place = address(pointer, index)
      switch lanes {
      case .all: return .call("load_\(pointer.storage.rawValue)", [place])
      case .first(let count):
        return .call("load_\(pointer.storage.rawValue)_first", [place, .number(count)])
      }
    case .loadScalar(let pointer, let index):
      let element = CTerm.name(names(pointer.name))[term(index)]
      switch pointer.storage {
      case .f32: return element
      case .bf16, .f16, .i8:
        return .call("float_from_\(pointer.storage.rawValue)", [element])
      }
    case .apply(let op, let operands):
      return apply(op, operands, isVector: expression.isVector)
    case .rounded(let type, let operand):
      switch type {
      case .f32: return term(operand)
      case .bf16, .f16, .i8:
        let suffix = operand.isVector ? "" : "_scalar"
        return .call("round_\(type.rawValue)\(suffix)", [term(operand)])
      }
    case .leading(let operand, let count):
      let zero = CTerm.call("broadcast", [.literal(0)])
      return .call("keep_first", [vector(operand), zero, .number(count)])
    case .combined(let reduction, let partials):
      return .call(CExpression.combiner(reduction), [.name(names(partials))])
    }
  }

  private mutating func apply(
    _ op: ElementwiseOp, _ operands: [LoopExpr], isVector: Bool
  ) -> CTerm {
    switch op {
    case .add: return term(operands[0]) + term(operands[1])
    case .subtract: return term(operands[0]) - term(operands[1])
    case .multiply: return term(operands[0]) * term(operands[1])
    case .divide: return term(operands[0]) / term(operands[1])
    case .negate: return -term(operands[0])
    case .selectGreater:
      let all = operands.map { isVector ? vector($0) : term($0) }
      guard isVector else { return (all[0] > all[1]).choosing(all[2], all[3]) }
      return .call("vec_select", [all[0] > all[1], all[2], all[3]])
    case .absolute: return call("absolute", operands, isVector)
    case .binade: return call("binade", operands, isVector)
    case .squareRoot: return call("square_root", operands, isVector)
    case .maximum: return call("maximum", operands, isVector)
    case .minimum: return call("minimum", operands, isVector)
    case .multiplyAdd: return call("multiply_add", operands, isVector)
    case .exp, .log, .tanh, .erf, .sigmoid:
      let value = CTerm.call("vec_\(op.rawValue)", [vector(operands[0])])
      return isVector ? value : .call("first_lane", [value])
    }
  }

  private mutating func call(
    _ function: String, _ operands: [LoopExpr], _ isVector: Bool
  ) -> CTerm {
    .call(
      "\(function)\(isVector ? "" : "_scalar")",
      operands.map { isVector ? vector($0) : term($0) })
  }

  /// The function that combines 64 partials.
  static func combiner(_ reduction: Reduction) -> String {
    switch reduction {
    case .sum, .mean: "sum_partials"
    case .max: "max_partials"
    case .min: "min_partials"
    }
  }

  /// The C type of an element, ending in a blank.
  static func elementType(_ storage: DType, isConstant: Bool) -> String {
    let name: String
    switch storage {
    case .f32: name = "float"
    case .bf16, .f16: name = "uint16_t"
    case .i8: name = "int8_t"
    }
    return (isConstant ? "const " : "") + name + " "
  }
}
