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
      add("\(type)*\(name) = \(base) + \(expressions.text(offset));", depth)
    case .scratch(let pointer, let count):
      add("float \(expressions.names(pointer.name))[\(count)];", depth)
    case .partials(let name, let reduction):
      partials(expressions.names(name), reduction, depth)
    case .define(let name, let expression):
      let type = expression.isVector ? "vec" : "float"
      let value = expressions.text(expression)
      let isTile = tileScalars.contains(name)
      add("\(isTile ? "" : "const \(type) ")\(expressions.element(name)) = \(value);", depth)
    case .variable(let name, let expression):
      let type = expression.isVector ? "vec" : "float"
      add("\(type) \(expressions.names(name)) = \(expressions.text(expression));", depth)
    case .assign(let name, let expression):
      add("\(expressions.names(name)) = \(expressions.text(expression));", depth)
    case .loop(let index, let from, let to, let step, let body):
      let advance = step == 1 ? "++\(index)" : "\(index) += \(step)"
      let start = expressions.text(from)
      let end = expressions.text(to)
      add("for (int64_t \(index) = \(start); \(index) < \(end); \(advance)) {", depth)
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
      let value = expressions.vectorText(expression)
      add("\(expressions.element(name))[\(expressions.text(slot))] = \(value);", depth)
    case .storeGroup(let pointer, let index, let name):
      let place = expressions.address(pointer, index)
      let isStreamed = streamed.contains(pointer.name)
      let function = "\(isStreamed ? "put" : "store")_\(pointer.storage.rawValue)_group"
      let last = isStreamed ? ", stream" : ""
      add("\(function)(\(place), \(expressions.element(name))\(last));", depth)
    case .rows(let body):
      add("for (int64_t row = first; row < first + tile; ++row) {", depth)
      append(body, depth: depth + 1)
      add("}", depth)
    case .nextRow:
      let after = kernel.tile > 1 ? "row + tile" : "row + 1"
      add("const int64_t next = \(after) < rows ? \(after) : row;", depth)
    case .prefetch(let pointer, let index):
      let place = expressions.address(pointer, index)
      let kind: String
      switch pointer.storage {
      case .f32: kind = "f32"
      case .bf16, .f16: kind = "u16"
      case .i8: kind = "i8"
      }
      add("prefetch_\(kind)_group(\(place));", depth)
    case .storeScalar(let pointer, let index, let expression):
      let place = "\(expressions.names(pointer.name))[\(expressions.text(index))]"
      let value = expressions.text(expression)
      switch pointer.storage {
      case .f32: add("\(place) = \(value);", depth)
      case .bf16, .f16, .i8:
        add("\(place) = \(pointer.storage.rawValue)_from_float(\(value));", depth)
      }
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
    let place = "\(expressions.names(name))[\(expressions.text(slot))]"
    let updated: String
    switch reduction {
    case .sum, .mean:
      let factors = terms.map { expressions.vectorText($0) }
      updated =
        terms.count == 2
        ? "multiply_add(\(factors[0]), \(factors[1]), \(place))" : "\(place) + \(factors[0])"
    case .max:
      if case .apply(.absolute, let operands) = terms[0] {
        updated = "maximum_magnitude(\(place), \(expressions.vectorText(operands[0])))"
      } else {
        updated = "maximum(\(place), \(expressions.vectorText(terms[0])))"
      }
    case .min: updated = "minimum(\(place), \(expressions.vectorText(terms[0])))"
    }
    switch laneCount {
    case .all: add("\(place) = \(updated);", depth)
    case .first(let count):
      add("\(place) = keep_first(\(updated), \(place), \(count));", depth)
    }
  }

  private mutating func store(
    _ pointer: Pointer, _ index: Index, _ expression: LoopExpr, _ laneCount: Lanes, _ depth: Int
  ) {
    let place = expressions.address(pointer, index)
    let value = expressions.vectorText(expression)
    let type = pointer.storage.rawValue
    switch laneCount {
    case .first(let count):
      add("store_\(type)_first(\(place), \(value), \(count));", depth)
    case .all where streamed.contains(pointer.name):
      add("put_\(type)(\(place), \(value), stream);", depth)
    case .all:
      add("store_\(type)(\(place), \(value));", depth)
    }
  }

}

extension CExpression {
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

/// Line breaking for emitted C.
enum CLayout {
  static let width = 100

  /// A line, broken after commas or operators where it is too long.
  static func wrapped(_ text: String, depth: Int) -> [String] {
    var lines: [String] = []
    var rest = text[...]
    var indent = String(repeating: "  ", count: depth)
    // Never counts what is left of a long text: that would be a square of its length.
    while rest.index(rest.startIndex, offsetBy: width - indent.count + 1, limitedBy: rest.endIndex)
      != nil
    {
      let room = rest.prefix(width - indent.count)
      guard let end = breakPoint(in: room) else { break }
      lines.append(indent + rest[..<end])
      rest = rest[end...].drop { $0 == " " }
      indent = String(repeating: "  ", count: depth + 2)
    }
    return lines + [indent + rest]
  }

  /// The lines of ``wrapped(_:depth:)`` as one text.
  static func wrappedText(_ text: String, depth: Int = 0) -> String {
    wrapped(text, depth: depth).joined(separator: "\n")
  }

  /// A `//` comment outside functions as one text.
  static func commentText(_ text: String) -> String {
    comment(text, depth: 0).joined(separator: "\n")
  }

  /// Where to break a prefix of a line: the last place among those inside the fewest parentheses;
  /// behind a comma, a conjunction or an assignment, before an operator; without any, behind the last
  /// opening parenthesis.
  private static func breakPoint(in text: Substring) -> Substring.Index? {
    let trailing = [", ", " && ", " = "]
    let leading = [" ? ", " : ", " + ", " - ", " * ", " / "]
    var best: (place: Substring.Index, depth: Int)?
    var depth = 0
    for index in text.indices {
      switch text[index] {
      case "(": depth += 1
      case ")": depth -= 1
      default: break
      }
      let rest = text[index...]
      var place: Substring.Index?
      if let separator = trailing.first(where: { rest.hasPrefix($0) }) {
        place = text.index(index, offsetBy: separator.count - 1)
      } else if leading.contains(where: { rest.hasPrefix($0) }) {
        place = index
      }
      guard let place, text.distance(from: text.startIndex, to: place) > width / 3 else {
        continue
      }
      if best.map({ depth <= $0.depth }) ?? true { best = (place, depth) }
    }
    return best?.place ?? text.lastIndex(of: "(").map { text.index(after: $0) }
  }

  /// A `//` comment, broken between words.
  static func comment(_ text: String, depth: Int) -> [String] {
    let indent = String(repeating: "  ", count: depth) + "//"
    return words(text, first: indent, next: indent)
  }

  /// Words joined into lines of at most the width, each after its prefix.
  static func words(_ text: String, first: String, next: String) -> [String] {
    var lines: [String] = []
    var line = first
    for word in text.split(separator: " ") {
      if line.count + 1 + word.count > width, line != first, line != next {
        lines.append(line)
        line = next
      }
      line += " " + word
    }
    return lines + [line]
  }
}
