import NormGenIR
import NormGenLoops

/// Prints loop statements as C.
struct CStatements {
  var expressions: CExpression
  private let lanes: Int
  /// Whether loops over what registers hold are unrolled.
  private let unrollsTiles: Bool
  /// The pointers whose elements may be written.
  private var writable: Set<String>
  /// The pointers whose vectors may bypass the caches.
  private let streamed: Set<String>
  /// The arrays of scalars.
  private var scalarArrays: Set<String> = []
  /// The arrays that may lie in registers.
  private var registerArrays: Set<String> = []
  /// The parameters that are constants where the function is inlined.
  private let constants: Set<String>
  private var lines: [String] = []

  init(function: LoopFunction, lanes: Int, unrollsTiles: Bool, names: CNames) {
    self.lanes = lanes
    self.unrollsTiles = unrollsTiles
    self.streamed = function.streamed
    self.constants = Set(
      function.parameters.filter { $0.kind == .constant }.map(\.name))
    self.writable = Set(
      function.parameters.filter { parameter in
        if case .elements(_, isWritable: true) = parameter.kind { return true }
        return false
      }.map(\.name))
    self.expressions = CExpression(names: names)
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

  /// What a loop or condition governs: on its line, if that is one line and there is room for it.
  private mutating func addBody(_ body: [Stmt], of head: String, _ depth: Int) {
    let before = lines
    lines = []
    append(body, depth: depth + 1)
    let inner = lines
    lines = before
    if body.count == 1, inner.count == 1, body[0].inner.isEmpty {
      let line = head + " " + inner[0].drop { $0 == " " }
      if 2 * depth + line.utf8.count <= CLayout.width {
        add(line, depth)
        return
      }
    }
    add(head + " {", depth)
    lines += inner
    add("}", depth)
  }

  private mutating func append(_ statements: [Stmt], depth: Int) {
    for statement in statements { append(statement, depth: depth) }
  }

  private mutating func append(_ statement: Stmt, depth: Int) {
    switch statement {
    case .comment(let text):
      lines += CLayout.comment(text, depth: depth)
    case .pointer(let pointer, let buffer, let offset):
      let isWritable = writable.contains(buffer)
      if isWritable { writable.insert(pointer.name) }
      let type = CExpression.elementType(pointer.storage, isConstant: !isWritable)
      let base = expressions.names(buffer)
      let name = expressions.names(pointer.name)
      let place = CTerm.name(base).displaced(by: expressions.term(offset))
      add("\(type)*\(name) = \(place.text);", depth)
    case .scratch(let pointer, let count):
      writable.insert(pointer.name)
      add("float \(expressions.names(pointer.name))[\(count)];", depth)
    case .partials(let name, let reduction, let place):
      partials(expressions.names(name), reduction, place, depth)
    case .define(let name, let expression):
      let type = CExpression.type(of: expression)
      let value = expressions.term(expression)
      add("const \(type) \(expressions.names(name)) = \(value.text);", depth)
    case .variable(let name, let expression):
      let type = CExpression.type(of: expression)
      add("\(type) \(expressions.names(name)) = \(expressions.term(expression).text);", depth)
    case .assign(let name, let expression):
      add("\(expressions.names(name)) = \(expressions.term(expression).text);", depth)
    case .loop(let index, let from, let to, let step, let body):
      let advance =
        step == .constant(1) ? "++\(index)" : "\(index) += \(expressions.term(step).text)"
      let start = expressions.term(from)
      let goesOn = CTerm.name(index) < expressions.term(to)
      let head = "for (int64_t \(index) = \(start.text); \(goesOn.text); \(advance))"
      addBody(body, of: isUnrolled(index, to, body) ? "UNROLLED \(head)" : head, depth)
    case .section(let text, let body):
      add("{", depth)
      lines += CLayout.comment(text, depth: depth + 1)
      append(body, depth: depth + 1)
      add("}", depth)
    case .accumulate(let name, let slot, let reduction, let terms, let laneCount):
      accumulate(name, slot, reduction, terms, laneCount, depth)
    case .store(let pointer, let index, let expression, let laneCount):
      store(pointer, index, expression, laneCount, depth)
    case .storeEntries(let pointer, let index, let name, let indices, _):
      let place = expressions.address(pointer, index)
      let isStreamed = streamed.contains(pointer.name)
      let function = "\(isStreamed ? "put" : "store")_\(pointer.storage.rawValue)_group"
      let last: [CTerm] = isStreamed ? [.name("stream")] : []
      add(CTerm.call(function, [place, expressions.entry(name, indices)] + last).text + ";", depth)
    case .finishStreams: add("finish_streams();", depth)
    case .settle: add("settle();", depth)
    case .flag(let name, let condition):
      add("const int \(name) = \(expressions.term(condition).text);", depth)
    case .group, .setGroup, .storeGroup, .rows, .nextRow:
      // A defect of the lowering, which a compiler must not overlook.
      lines.append("#error \"a statement of row programs in a function\"")
    case .prefetch(let pointer, let index):
      let place = expressions.address(pointer, index)
      let kind = CExpression.storedKind(pointer.storage)
      add("prefetch_\(kind)_group(\(place.text));", depth)
    case .storeScalar(let pointer, let index, let expression):
      let place = CTerm.name(expressions.names(pointer.name))[expressions.term(index)]
      var value = expressions.term(expression)
      if pointer.storage != .f32 {
        value = .call("\(pointer.storage.rawValue)_from_float", [value])
      }
      add("\(place.text) = \(value.text);", depth)
    case .prefetchLine(let pointer, let byte, let level):
      let place = CTerm.name(expressions.names(pointer.name))
      let function = level == 1 ? "prefetch_line" : "prefetch_line_to_l2"
      add(CTerm.call(function, [place, expressions.term(byte)]).text + ";", depth)
    case .storeStored(let pointer, let index, let expression):
      storeStored(pointer, index, expression, depth)
    case .index(let name, let index):
      add("const int64_t \(name) = \(expressions.term(index).text);", depth)
    case .array(let name, let extents, let element, let place):
      let type: String
      if place == .stack { registerArrays.insert(name) }
      switch element {
      case .scalar:
        type = "float"
        scalarArrays.insert(name)
      case .vector: type = "vec"
      case .pairs, .words: type = "uvec"
      case .quadSums(let kind): type = CExpression.quadSums(kind)
      }
      add(array(type, expressions.names(name), extents, place) + ";", depth)
    case .setEntry(let name, let indices, let expression):
      let place = expressions.entry(name, indices)
      let value =
        scalarArrays.contains(name)
        ? expressions.term(expression) : expressions.vector(expression)
      add("\(place.text) = \(value.text);", depth)
    case .when(let condition, let yes, let no):
      when(condition, yes, otherwise: no, opening: "", depth)
    case .strips(let index, let to, let all): strips(index, to, all, depth)
    case .call(let name, let arguments):
      let terms = arguments.map { expressions.term($0) }
      add("\(CTerm.call(name, terms).text);", depth)
    case .carve(let pointer, let memory, let byte, _, _, _):
      writable.insert(pointer.name)
      let type = CExpression.elementType(pointer.storage, isConstant: false) + "*"
      let place = memoryPlace(memory, byte)
      add("\(type)\(expressions.names(pointer.name)) = \(place.cast(to: type).text);", depth)
    case .memory(let name, let memory, let byte, let isAligned):
      var place = memoryPlace(memory, byte)
      if isAligned {
        let line = CTerm.number(64)
        place = ((place.cast(to: "uintptr_t") + .number(63)) / line * line).cast(to: "char *")
      }
      add("char *\(expressions.names(name)) = \(place.text);", depth)
    case .step(let index, let steps):
      add("switch (\(expressions.term(index).text)) {", depth)
      for (number, body) in steps.enumerated() {
        add("case \(number):", depth)
        append(body, depth: depth + 1)
        add("break;", depth + 1)
      }
      add("}", depth)
    case .leave(let index):
      add("return\(index.map { " " + expressions.term($0).text } ?? "");", depth)
    }
  }

  /// Whether a loop's entries lie in registers, or its bits' places are constants, only if it is unrolled.
  ///
  /// Short loops over entries are left to the compilers, and so are long ones over bits: unrolled, the
  /// sub-blocks of a block would take Clang minutes.
  private func isUnrolled(_ index: String, _ to: Index, _ body: [Stmt]) -> Bool {
    guard unrollsTiles, !registerArrays.isEmpty else { return false }
    let isLong: Bool
    switch to {
    case .variable(let name):
      guard constants.contains(name) else { return false }
      isLong = true
    case .constant(let count):
      // No tile has more rows.
      guard count <= 32 else { return false }
      isLong = count > 8
    default: return false
    }
    if isLong { return body.contains { $0.picksEntries(of: registerArrays, by: index) } }
    guard case .constant(let count) = to, count <= 4 else { return false }
    return body.contains { $0.picksBits(by: index) }
  }

  /// An array, or its place in memory, which is indexed alike.
  private mutating func array(
    _ type: String, _ name: String, _ extents: [Int], _ place: LoopPlace
  ) -> String {
    func suffix(_ extents: ArraySlice<Int>) -> String { extents.map { "[\($0)]" }.joined() }
    guard case .memory(let memory, let byte) = place else {
      return "\(type) \(name)\(suffix(extents[...]))"
    }
    let inner = suffix(extents.dropFirst())
    func pointer(_ name: String) -> String {
      inner.isEmpty ? "\(type) *\(name)" : "\(type) (*\(name))\(inner)"
    }
    let start = memoryPlace(memory, .constant(byte)).cast(to: pointer(""))
    return "\(pointer(name)) = \(start.text)"
  }

  private mutating func memoryPlace(_ memory: String, _ byte: Index) -> CTerm {
    let base = CTerm.name(expressions.names(memory))
    return byte == .constant(0) ? base : base.displaced(by: expressions.term(byte))
  }

  /// `if`, with `else if` where nothing else is done otherwise.
  private mutating func when(
    _ condition: LoopCondition, _ yes: [Stmt], otherwise no: [Stmt], opening: String, _ depth: Int
  ) {
    let head = "\(opening)if (\(expressions.term(condition).text))"
    if no.isEmpty, opening.isEmpty {
      addBody(yes, of: head, depth)
      return
    }
    add("\(head) {", depth)
    append(yes, depth: depth + 1)
    if no.count == 1, case .when(let other, let first, let second) = no[0] {
      when(other, first, otherwise: second, opening: "} else ", depth)
      return
    }
    if !no.isEmpty {
      add("} else {", depth)
      append(no, depth: depth + 1)
    }
    add("}", depth)
  }

  private mutating func strips(_ index: String, _ to: Index, _ all: [LoopStrip], _ depth: Int) {
    let (place, end) = (CTerm.name(index), expressions.term(to))
    add("int64_t \(index) = 0;", depth)
    for strip in all {
      let fits = strip.count == 1 ? place < end : place + .number(strip.count) <= end
      let advance = strip.count == 1 ? "++\(index)" : "\(index) += \(strip.count)"
      addBody(strip.body, of: "for (; \(fits.text); \(advance))", depth)
    }
  }

  private mutating func storeStored(
    _ pointer: Pointer, _ index: Index, _ expression: LoopExpr, _ depth: Int
  ) {
    let value = expressions.term(expression)
    guard expression.isVector else {
      let place = CTerm.name(expressions.names(pointer.name))[expressions.term(index)]
      add("\(place.text) = \(value.text);", depth)
      return
    }
    let kind = CExpression.storedKind(pointer.storage)
    let place = expressions.address(pointer, index)
    add("\(CTerm.call("store_\(kind)", [place, value]).text);", depth)
  }

  private mutating func partials(
    _ name: String, _ reduction: Reduction, _ place: LoopPlace, _ depth: Int
  ) {
    let count = Partials.vectors(lanes: lanes)
    if reduction.isSum, place == .stack {
      add("vec \(name)[\(count)] = {{0}};", depth)
      return
    }
    let identity = CTerm.literal(reduction.identity).text
    add(array("vec", name, [count], place) + ";", depth)
    let p = LoopIndex.vector
    add(
      "for (int64_t \(p) = 0; \(p) < \(count); ++\(p)) \(name)[\(p)] = broadcast(\(identity));",
      depth)
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
    let kept =
      expressions.count(laneCount).map { .call("keep_first", [updated, place, $0]) } ?? updated
    add("\(place.text) = \(kept.text);", depth)
  }

  private mutating func store(
    _ pointer: Pointer, _ index: Index, _ expression: LoopExpr, _ laneCount: Lanes, _ depth: Int
  ) {
    let operands = [expressions.address(pointer, index), expressions.vector(expression)]
    let type = pointer.storage.rawValue
    let call: CTerm
    if let count = expressions.count(laneCount) {
      call = .call("store_\(type)_first", operands + [count])
    } else if streamed.contains(pointer.name) {
      call = .call("put_\(type)", operands + [.name("stream")])
    } else {
      call = .call("store_\(type)", operands)
    }
    add("\(call.text);", depth)
  }
}
