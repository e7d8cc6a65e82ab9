import NormGenIR
import NormGenLoops

/// Loop expressions as C.
struct CExpression {
  var names: CNames

  // MARK: Indices

  /// A whole number.
  func term(_ index: Index) -> CTerm {
    switch index {
    case .constant(let value): .number(value)
    case .variable(let name): .name(name)
    case .stride(let buffer): .name(names.stride(of: buffer))
    case .sum(let left, let right): term(left) + term(right)
    case .product(let left, let right): term(left) * term(right)
    case .difference(let left, let right): term(left) - term(right)
    case .quotient(let left, let right): term(left) / term(right)
    case .remainder(let left, let right): term(left) % term(right)
    case .choose(let condition, let yes, let no): term(condition).choosing(term(yes), term(no))
    case .share(let count, let part, let parts):
      .call("begin_of_part", [term(count), term(part), term(parts)])
    case .result(let name, let indices): .call(name, indices.map(term))
    }
  }

  /// A choice.
  func term(_ condition: LoopCondition) -> CTerm {
    switch condition {
    case .always: .number(1)
    case .flag(let name): .name(name)
    // A known number reads better on the right.
    case .less(.constant(let number), let right): term(right) > .number(number)
    case .atMost(.constant(let number), let right): term(right) >= .number(number)
    case .less(let left, let right): term(left) < term(right)
    case .atMost(let left, let right): term(left) <= term(right)
    case .equal(let left, let right): term(left) == term(right)
    case .rowsAligned(let name, let storage, let bytes): rowsAligned(name, storage, bytes)
    case .both(let left, let right): term(left) && term(right)
    }
  }

  private func rowsAligned(_ name: String, _ storage: DType, _ bytes: Int) -> CTerm {
    let stride = CTerm.name(names.stride(of: name)) * .number(storage.byteCount)
    let start = CTerm.name(names.known(name)).cast(to: "uintptr_t")
    return (start | stride.cast(to: "uintptr_t")) % .number(bytes) == .number(0)
  }

  /// What a call gives.
  mutating func term(_ argument: CallArgument) -> CTerm {
    switch argument {
    case .index(let index): term(index)
    case .flag(let condition): term(condition)
    case .place(let name, let index): address(name, index)
    }
  }

  /// `base + index`, without `+ 0`.
  mutating func address(_ pointer: Pointer, _ index: Index) -> CTerm {
    address(pointer.name, index)
  }

  private mutating func address(_ name: String, _ index: Index) -> CTerm {
    let base = CTerm.name(names(name))
    return index == .constant(0) ? base : base.displaced(by: term(index))
  }

  /// An entry of an array.
  mutating func entry(_ name: String, _ indices: [Index]) -> CTerm {
    indices.reduce(.name(names(name))) { $0[term($1)] }
  }

  // MARK: Values

  /// The expression as a vector, broadcast if it is a scalar.
  mutating func vector(_ expression: LoopExpr) -> CTerm {
    expression.isVector ? term(expression) : .call("broadcast", [term(expression)])
  }

  /// The expression.
  mutating func term(_ expression: LoopExpr) -> CTerm {
    switch expression {
    case .vector(let name), .scalar(let name): return .name(names(name))
    case .constant(let value): return .literal(value)
    case .load(let pointer, let index, let lanes):
      return load(pointer.storage.rawValue, address(pointer, index), lanes)
    case .loadScalar(let pointer, let index):
      let element = CTerm.name(names(pointer.name))[term(index)]
      if pointer.storage == .f32 { return element }
      return .call("float_from_\(pointer.storage.rawValue)", [element])
    case .apply(let op, let operands):
      return apply(op, operands, isVector: expression.isVector)
    case .rounded(let type, let operand):
      if type == .f32 { return term(operand) }
      let suffix = operand.isVector ? "" : "_scalar"
      return .call("round_\(type.rawValue)\(suffix)", [term(operand)])
    case .leading(let operand, let count):
      let zero = CTerm.call("broadcast", [.literal(0)])
      return .call("keep_first", [vector(operand), zero, .number(count)])
    case .combined(let reduction, let partials):
      return .call(CExpression.combiner(reduction), [.name(names(partials))])
    case .broadcast(let operand): return .call("broadcast", [term(operand)])
    case .entry(let name, let indices), .scalarEntry(let name, let indices):
      return entry(name, indices)
    case .choose(let condition, let yes, let no):
      let isVector = expression.isVector
      let values = [yes, no].map { isVector ? vector($0) : term($0) }
      return term(condition).choosing(values[0], values[1])
    case .number(let index): return term(index).cast(to: "float")
    case .stored(let pointer, let index): return .name(names(pointer.name))[term(index)]
    case .storedVector(let pointer, let index, let lanes):
      return load(CExpression.storedKind(pointer.storage), address(pointer, index), lanes)
    case .storedZero: return .number(0)
    case .storedZeros(let storage): return .zeros(of: CExpression.storedVector(storage))
    case .pairs(let pointer, let index):
      return .call("load_u16_pairs", [address(pointer, index)])
    case .pair(let pointer, let index, let isHalf):
      guard isHalf else { return .call("broadcast_u16_pair", [address(pointer, index)]) }
      let element = CTerm.name(names(pointer.name))[term(index)]
      return .call("broadcast_u16_pair", [.array(of: "uint16_t", [element, .number(0)])])
    case .widened(let isSecond, let operand):
      return .call("widen_bf16_\(isSecond ? "second" : "first")", [term(operand)])
    case .dot(let sums, let x, let w):
      return .call("bf16_dot", [term(sums), term(x), term(w)])
    case .bytes(let pointer, let index, let type):
      return .call("load_\(type.rawValue)_bytes", [address(pointer, index)])
    case .words(let pointer, let index): return .call("load_words", [address(pointer, index)])
    case .bits(let words, let from, let count, let place):
      let arguments = [term(words), term(from), .number(count)]
      return place == 0
        ? .call("bits_of_words", arguments)
        : .call("placed_bits_of_words", arguments + [.number(place)])
    case .signedBits(let words, let from, let count):
      return .call("signed_bits_of_words", [term(words), term(from), .number(count)])
    case .storedBits(let pointer, let position, let count, let isFlipped):
      return .call(
        "\(isFlipped ? "flipped" : "stored")_bits",
        [.name(names(pointer.name)), term(position), .number(count)])
    case .joined(let low, let high, let place):
      return place == 0 ? term(low) | term(high) : term(low) | term(high) << .name("\(place)u")
    case .whole(let bits): return .call("float_from_bits", [term(bits)])
    case .quads(let words, let from, let count, let place):
      if count == 8 { return term(words) }
      let arguments = [term(words), term(from), .number(count)]
      return place == 0
        ? .call("bits_of_bytes", arguments)
        : .call("placed_bits_of_bytes", arguments + [.number(place)])
    case .quad(let pointer, let index): return .call("broadcast_quad", [address(pointer, index)])
    case .signFlipped(let element): return .call("sign_flipped", [term(element)])
    case .quadStart(let numbers): return .call("sums_from_float", [term(numbers)])
    case .quadZeros(let kind): return .zeros(of: CExpression.quadSums(kind))
    case .quadDot(let kind, let sums, let words, let quad):
      let function = kind == .narrow ? "add_quads" : "add_wide_quads"
      return .call(function, [term(sums), term(words), term(quad)])
    case .quadTotal(let kind, let sums):
      return .call(kind == .narrow ? "float_from_pair_sums" : "float_from_sums", [term(sums)])
    }
  }

  private func load(_ kind: String, _ place: CTerm, _ lanes: Lanes) -> CTerm {
    guard let count = count(lanes) else { return .call("load_\(kind)", [place]) }
    return .call("load_\(kind)_first", [place, count])
  }

  /// How many lanes take part; nil for all.
  func count(_ lanes: Lanes) -> CTerm? {
    switch lanes {
    case .all: nil
    case .first(let count): .number(count)
    case .leading(let index): term(index).cast(to: "int")
    }
  }

  /// The templates' type of sums of quads' products.
  static func quadSums(_ kind: QuadSums) -> String { kind == .narrow ? "pair_sums" : "ivec" }

  /// The templates' word for elements as they lie in memory.
  static func storedKind(_ storage: DType) -> String {
    switch storage {
    case .f32: "f32"
    case .bf16, .f16: "u16"
    case .i8: "i8"
    case .u8: "u8"
    case .f8E4M3, .f8E5M2: "f8"
    }
  }

  /// The templates' type of a vector of them.
  private static func storedVector(_ storage: DType) -> String {
    switch storage {
    case .f32: "vec"
    case .bf16, .f16: "hvec"
    case .i8, .u8, .f8E4M3, .f8E5M2: "bvec"
    }
  }

  /// The type of a named value.
  static func type(of value: LoopExpr) -> String {
    switch value {
    case .pairs, .pair, .words, .bits, .signedBits, .quads, .quad: "uvec"
    case .quadZeros(let kind), .quadDot(let kind, _, _, _): quadSums(kind)
    case .joined(let low, _, _): low.isVector ? "uvec" : "uint32_t"
    case .storedBits: "uint32_t"
    case .signFlipped: "int8_t"
    case .quadStart: quadSums(.wide)
    case .vector, .scalar, .constant, .load, .loadScalar, .apply, .rounded, .leading, .combined,
      .broadcast, .entry, .scalarEntry, .choose, .number, .stored, .storedVector, .storedZero,
      .storedZeros,
      .widened, .dot, .bytes, .whole, .quadTotal:
      value.isVector ? "vec" : "float"
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
    case .u8, .f8E4M3, .f8E5M2: name = "uint8_t"
    }
    return (isConstant ? "const " : "") + name + " "
  }
}
