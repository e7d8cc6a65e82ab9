import NormGenIR
import NormGenLoops

/// Prints loop statements as C.
struct CStatements {
  var expressions: CExpression
  let kernel: LoopKernel
  private let outputs: Set<String>
  private let tileScalars: Set<String>
  /// The pointers whose vectors may bypass the caches.
  private let streamed: Set<String>
  private var lines: [String] = []

  init(kernel: LoopKernel, names: CNames, streamed: Set<String>) {
    self.kernel = kernel
    self.streamed = streamed
    self.outputs = Set(kernel.buffers.filter(\.isOutput).map(\.name))
    self.tileScalars = Set(kernel.tileScalars)
    self.expressions = CExpression(
      names: names, tileNames: kernel.tileGroups.union(kernel.tileScalars))
  }

  /// The statements as lines, indented by `depth` steps.
  mutating func lines(_ statements: [Stmt], depth: Int) -> [String] {
    lines = []
    append(statements, depth: depth)
    return lines
  }

  private mutating func add(_ text: String, _ depth: Int) {
    lines += CLayout.wrapped(text, depth: depth)
  }

  private mutating func append(_ statements: [Stmt], depth: Int) {
    for statement in statements { append(statement, depth: depth) }
  }

  private mutating func append(_ statement: Stmt, depth: Int) {
    switch statement {
    case .comment(let text):
      lines += CLayout.comment(text, depth: depth)
    case .pointer(let pointer, let buffer, let offset):
      let type = CExpression.elementType(
        pointer.storage, isConstant: !outputs.contains(buffer))
      let base = expressions.names(buffer)
      let name = expressions.names(pointer.name)
      let place = CTerm.name(base).displaced(by: expressions.term(offset))
      add("\(type)*\(name) = \(place.text);", depth)
    case .scratch(let pointer, let count):
      add("float \(expressions.names(pointer.name))[\(count)];", depth)
    case .partials(let name, let reduction):
      partials(expressions.names(name), reduction, depth)
    case .define(let name, let expression):
      let type = expression.isVector ? "vec" : "float"
      let value = expressions.term(expression)
      let isTile = tileScalars.contains(name)
      let declared = (isTile ? "" : "const \(type) ") + expressions.element(name).text
      add("\(declared) = \(value.text);", depth)
    case .variable(let name, let expression):
      let type = expression.isVector ? "vec" : "float"
      add("\(type) \(expressions.names(name)) = \(expressions.term(expression).text);", depth)
    case .assign(let name, let expression):
      add("\(expressions.names(name)) = \(expressions.term(expression).text);", depth)
    case .loop(let index, let from, let to, let step, let body):
      let advance = step == 1 ? "++\(index)" : "\(index) += \(step)"
      let start = expressions.term(from)
      let goesOn = CTerm.name(index) < expressions.term(to)
      add("for (int64_t \(index) = \(start.text); \(goesOn.text); \(advance)) {", depth)
      append(body, depth: depth + 1)
      add("}", depth)
    case .block(let text, let body):
      add("{", depth)
      lines += CLayout.comment(text, depth: depth + 1)
      append(body, depth: depth + 1)
      add("}", depth)
    case .accumulate(let name, let slot, let reduction, let terms, let laneCount):
      accumulate(name, slot, reduction, terms, laneCount, depth)
    case .store(let pointer, let index, let expression, let laneCount):
      store(pointer, index, expression, laneCount, depth)
    case .group(let name):
      let count = Partials.vectors(lanes: kernel.lanes)
      let tile = kernel.tileGroups.contains(name) ? "[\(kernel.tile)]" : ""
      add("vec \(expressions.names(name))\(tile)[\(count)];", depth)
    case .setGroup(let name, let slot, let expression):
      let place = expressions.element(name)[expressions.term(slot)]
      add("\(place.text) = \(expressions.vector(expression).text);", depth)
    case .storeGroup(let pointer, let index, let name):
      let place = expressions.address(pointer, index)
      let isStreamed = streamed.contains(pointer.name)
      let function = "\(isStreamed ? "put" : "store")_\(pointer.storage.rawValue)_group"
      let last: [CTerm] = isStreamed ? [.name("stream")] : []
      add(CTerm.call(function, [place, expressions.element(name)] + last).text + ";", depth)
    case .rows(let body):
      add("for (int64_t row = first; row < first + tile; ++row) {", depth)
      append(body, depth: depth + 1)
      add("}", depth)
    case .nextRow:
      let row = CTerm.name("row")
      let after = row + (kernel.tile > 1 ? .name("tile") : .number(1))
      let next = (after < .name("rows")).choosing(after, row)
      add("const int64_t next = \(next.text);", depth)
    case .prefetch(let pointer, let index):
      let place = expressions.address(pointer, index)
      let kind: String
      switch pointer.storage {
      case .f32: kind = "f32"
      case .bf16, .f16: kind = "u16"
      case .i8: kind = "i8"
      }
      add("prefetch_\(kind)_group(\(place.text));", depth)
    case .storeScalar(let pointer, let index, let expression):
      let place = CTerm.name(expressions.names(pointer.name))[expressions.term(index)]
      var value = expressions.term(expression)
      switch pointer.storage {
      case .f32: break
      case .bf16, .f16, .i8: value = .call("\(pointer.storage.rawValue)_from_float", [value])
      }
      add("\(place.text) = \(value.text);", depth)
    }
  }

  private mutating func partials(_ name: String, _ reduction: Reduction, _ depth: Int) {
    let count = Partials.vectors(lanes: kernel.lanes)
    let identity: String
    switch reduction {
    case .sum, .mean:
      add("vec \(name)[\(count)] = {{0}};", depth)
      return
    case .max: identity = "-__builtin_inff()"
    case .min: identity = "__builtin_inff()"
    }
    add("vec \(name)[\(count)];", depth)
    add("for (int64_t p = 0; p < \(count); ++p) \(name)[p] = broadcast(\(identity));", depth)
  }

  private mutating func accumulate(
    _ name: String, _ slot: Index, _ reduction: Reduction, _ terms: [LoopExpr],
    _ laneCount: Lanes, _ depth: Int
  ) {
    let place = CTerm.name(expressions.names(name))[expressions.term(slot)]
    let updated: CTerm
    switch reduction {
    case .sum, .mean:
      let factors = terms.map { expressions.vector($0) }
      updated =
        terms.count == 2
        ? .call("multiply_add", [factors[0], factors[1], place]) : place + factors[0]
    case .max:
      if case .apply(.absolute, let operands) = terms[0] {
        updated = .call("maximum_magnitude", [place, expressions.vector(operands[0])])
      } else {
        updated = .call("maximum", [place, expressions.vector(terms[0])])
      }
    case .min: updated = .call("minimum", [place, expressions.vector(terms[0])])
    }
    let kept: CTerm
    switch laneCount {
    case .all: kept = updated
    case .first(let count): kept = .call("keep_first", [updated, place, .number(count)])
    }
    add("\(place.text) = \(kept.text);", depth)
  }

  private mutating func store(
    _ pointer: Pointer, _ index: Index, _ expression: LoopExpr, _ laneCount: Lanes, _ depth: Int
  ) {
    let operands = [expressions.address(pointer, index), expressions.vector(expression)]
    let type = pointer.storage.rawValue
    let call: CTerm
    switch laneCount {
    case .first(let count): call = .call("store_\(type)_first", operands + [.number(count)])
    case .all where streamed.contains(pointer.name):
      call = .call("put_\(type)", operands + [.name("stream")])
    case .all: call = .call("store_\(type)", operands)
    }
    add("\(call.text);", depth)
  }
}
