import NormGenIR

/// Prints loops for `explain` and for goldens.
public enum LoopPrinter {
  /// The steps of `program` as indented text.
  public static func text(of program: LoopProgram) -> String {
    if program.division == .rows {
      return program.rowPrograms.map { text(of: $0) }.joined(separator: "\n")
    }
    let memory = program.panels.map(\.summary) + program.totals.map(\.summary)
    var parts = [memory.map { "# \($0)\n" }.joined()]
    for weights in program.weights {
      parts += ["\(weights.summary)\n", text(of: weights.rowProgram)]
    }
    for (number, step) in program.steps.enumerated() {
      parts.append("step \(number + 1), for a chunk of at most \(program.chunkRows) rows\n")
      switch step {
      case .rows(let rowPrograms): parts += rowPrograms.map { text(of: $0) }
      case .multiply(let products): parts += products.map { $0.summary + "\n" }
      case .sumRows(let sums): parts += sums.map { $0.summary + "\n" }
      }
    }
    return parts.joined(separator: "\n")
  }

  /// The functions of `module` as indented text.
  public static func text(of module: LoopModule) -> String {
    module.functions.map { function in
      let parameters = function.parameters.map(\.name).joined(separator: ", ")
      var lines =
        (function.comment.isEmpty ? [] : ["# \(function.comment)"]) + [
          "function \(function.name)(\(parameters))"
        ]
      append(function.body, depth: 1, to: &lines)
      return lines.joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }

  /// The loops of `rowProgram` as indented text.
  public static func text(of rowProgram: RowProgram) -> String {
    var lines = rowProgram.summary.map { "# " + $0 }
    let parameters = rowProgram.buffers.map { buffer in
      "\(buffer.isOutput ? "out " : "")\(buffer.name): \(buffer.storage.rawValue)\(buffer.shape)"
    }
    lines.append("loops \(rowProgram.name)(\(parameters.joined(separator: ", ")))")
    let step = rowProgram.tile > 1 ? " by tiles of \(rowProgram.tile)" : ""
    lines.append("for row in 0..<rows\(step)  # \(rowProgram.lanes) lanes")
    append(rowProgram.row, depth: 1, to: &lines)
    return lines.joined(separator: "\n") + "\n"
  }

  private static func text(_ place: LoopPlace) -> String {
    switch place {
    case .stack: ""
    case .memory(let memory, let byte): " in \(memory) from byte \(byte)"
    }
  }

  private static func append(_ statements: [Stmt], depth: Int, to lines: inout [String]) {
    let indent = String(repeating: "  ", count: depth)
    for statement in statements {
      switch statement {
      case .comment(let text): lines.append(indent + "# " + text)
      case .pointer(let pointer, let buffer, let offset):
        lines.append(indent + "\(pointer.name) = &\(buffer)[\(text(offset))]")
      case .scratch(let pointer, let count):
        lines.append(indent + "scratch \(pointer.name)[\(count)]")
      case .partials(let name, let reduction, let place):
        lines.append(indent + "partials \(name)\(text(place)): \(reduction.rawValue)")
      case .define(let name, let expression):
        lines.append(indent + "let \(name) = \(text(expression))")
      case .variable(let name, let expression):
        lines.append(indent + "var \(name) = \(text(expression))")
      case .assign(let name, let expression):
        lines.append(indent + "\(name) = \(text(expression))")
      case .loop(let index, let from, let to, let step, let body):
        lines.append(
          indent + "for \(index) in \(text(from))..<\(text(to))"
            + (step == .constant(1) ? "" : " by \(text(step))"))
        append(body, depth: depth + 1, to: &lines)
      case .section(let text, let body):
        lines.append(indent + "do  # \(text)")
        append(body, depth: depth + 1, to: &lines)
      case .accumulate(let name, let slot, let reduction, let terms, let lanes):
        let term = terms.map(text).joined(separator: " * ")
        lines.append(
          indent + "\(name)[\(text(slot))] \(reduction.rawValue)= \(term)\(text(lanes))")
      case .store(let pointer, let index, let expression, let lanes):
        lines.append(
          indent + "\(pointer.name)[\(text(index))...] = \(text(expression))\(text(lanes))")
      case .group(let name): lines.append(indent + "group \(name)")
      case .setGroup(let name, let slot, let expression):
        lines.append(indent + "\(name)[\(text(slot))] = \(text(expression))")
      case .storeGroup(let pointer, let index, let name):
        lines.append(indent + "\(pointer.name)[\(text(index))...] = group \(name)")
      case .rows(let body):
        lines.append(indent + "for row in tile")
        append(body, depth: depth + 1, to: &lines)
      case .nextRow: lines.append(indent + "next = the row after this one, if any")
      case .prefetch(let pointer, let index):
        lines.append(indent + "prefetch \(pointer.name)[\(text(index))...]")
      case .storeScalar(let pointer, let index, let expression),
        .storeStored(let pointer, let index, let expression):
        lines.append(indent + "\(pointer.name)[\(text(index))] = \(text(expression))")
      case .prefetchLine(let pointer, let byte, let level):
        lines.append(
          indent + "prefetch the line \(text(byte)) bytes behind \(pointer.name) into L\(level)")
      case .storeEntries(let pointer, let index, let name, let indices, let count):
        lines.append(
          indent + "\(pointer.name)[\(text(index))...] = \(count) of \(entry(name, indices))")
      case .finishStreams: lines.append(indent + "finish streams")
      case .settle: lines.append(indent + "settle")
      case .flag(let name, let condition):
        lines.append(indent + "let \(name) = \(text(condition))")
      case .index(let name, let index): lines.append(indent + "let \(name) = \(text(index))")
      case .array(let name, let extents, let element, let place):
        lines.append(indent + "array \(name)\(extents)\(text(place)): \(element)")
      case .setEntry(let name, let indices, let expression):
        lines.append(indent + "\(entry(name, indices)) = \(text(expression))")
      case .when(let condition, let yes, let no):
        lines.append(indent + "if \(text(condition))")
        append(yes, depth: depth + 1, to: &lines)
        if !no.isEmpty {
          lines.append(indent + "else")
          append(no, depth: depth + 1, to: &lines)
        }
      case .strips(let index, let to, let strips):
        for strip in strips {
          lines.append(indent + "for \(index) in strips of \(strip.count) below \(text(to))")
          append(strip.body, depth: depth + 1, to: &lines)
        }
      case .call(let name, let arguments):
        lines.append(indent + "\(name)(\(arguments.map(text).joined(separator: ", ")))")
      case .carve(let pointer, let memory, let byte, let count, _, _):
        lines.append(
          indent + "\(pointer.name) = \(text(count)) \(pointer.storage.rawValue) in \(memory) "
            + "from byte \(text(byte)) on")
      case .memory(let name, let memory, let byte, let isAligned):
        lines.append(
          indent + "\(name) = \(memory) from byte \(text(byte)) on\(isAligned ? ", aligned" : "")")
      case .step(let index, let steps):
        for (number, body) in steps.enumerated() {
          lines.append(indent + "step \(number) of \(text(index))")
          append(body, depth: depth + 1, to: &lines)
        }
      case .leave(let index):
        lines.append(indent + "return" + (index.map { " \(text($0))" } ?? ""))
      }
    }
  }

  private static func entry(_ name: String, _ indices: [Index]) -> String {
    name + indices.map { "[\(text($0))]" }.joined()
  }

  private static func text(_ argument: CallArgument) -> String {
    switch argument {
    case .index(let index): text(index)
    case .flag(let condition): text(condition)
    case .place(let name, .constant(0)): name
    case .place(let name, let index): "&\(name)[\(text(index))]"
    }
  }

  private static func text(_ condition: LoopCondition) -> String {
    switch condition {
    case .always: "true"
    case .flag(let name): name
    case .less(let left, let right): "\(text(left)) < \(text(right))"
    case .atMost(let left, let right): "\(text(left)) <= \(text(right))"
    case .equal(let left, let right): "\(text(left)) == \(text(right))"
    case .rowsAligned(let name, _, let bytes): "rows of \(name) begin at multiples of \(bytes)"
    case .both(let left, let right): "\(text(left)) and \(text(right))"
    }
  }

  private static func text(_ lanes: Lanes) -> String {
    switch lanes {
    case .all: ""
    case .first(let count): "  # first \(count) lanes"
    case .leading(let count): "  # first \(text(count)) lanes"
    }
  }

  private static func text(_ index: Index) -> String {
    switch index {
    case .constant(let value): "\(value)"
    case .variable(let name): name
    case .stride(let name): "stride(\(name))"
    case .sum(let left, let right): "\(text(left)) + \(text(right))"
    case .product(let left, let right): "\(factor(left))·\(factor(right))"
    case .difference(let left, let right): "\(text(left)) - \(factor(right))"
    case .quotient(let left, let right): "\(factor(left))/\(factor(right))"
    case .remainder(let left, let right): "\(factor(left)) mod \(factor(right))"
    case .choose(let condition, let yes, let no):
      "(\(text(yes)) if \(text(condition)) else \(text(no)))"
    case .share(let count, let part, let parts):
      "share(\(text(count)), \(text(part)), \(text(parts)))"
    case .result(let name, let indices):
      "\(name)(\(indices.map(text).joined(separator: ", ")))"
    }
  }

  private static func factor(_ index: Index) -> String {
    switch index {
    case .sum, .difference: "(\(text(index)))"
    case .constant, .variable, .stride, .product, .quotient, .remainder, .choose, .share, .result:
      text(index)
    }
  }

  private static func text(_ expression: LoopExpr) -> String {
    switch expression {
    case .vector(let name), .scalar(let name): name
    case .constant(let value): value.description
    case .load(let pointer, let index, let lanes):
      "\(pointer.name)[\(text(index))...]" + (lanes == .all ? "" : "?")
    case .loadScalar(let pointer, let index): "\(pointer.name)[\(text(index))]"
    case .apply(let op, let operands):
      "\(op.rawValue)(\(operands.map(text).joined(separator: ", ")))"
    case .leading(let operand, let count): "first \(count) of (\(text(operand)))"
    case .rounded(let type, let operand): "\(type.rawValue)(\(text(operand)))"
    case .combined(let reduction, let name): "combine \(reduction.rawValue) \(name)"
    case .broadcast(let operand): "broadcast(\(text(operand)))"
    case .entry(let name, let indices), .scalarEntry(let name, let indices):
      entry(name, indices)
    case .choose(let condition, let yes, let no):
      "(\(text(yes)) if \(text(condition)) else \(text(no)))"
    case .number(let index): "number(\(text(index)))"
    case .stored(let pointer, let index): "\(pointer.name)[\(text(index))] as stored"
    case .storedVector(let pointer, let index, let lanes):
      "\(pointer.name)[\(text(index))...]\(lanes == .all ? "" : "?") as stored"
    case .storedZero: "0 as stored"
    case .storedZeros: "zeros as stored"
    case .pairs(let pointer, let index): "pairs of \(pointer.name)[\(text(index))...]"
    case .pair(let pointer, let index, let isHalf):
      "pair of \(pointer.name)[\(text(index))...]\(isHalf ? " and 0" : "")"
    case .widened(let isSecond, let operand):
      "\(isSecond ? "second" : "first") of \(text(operand))"
    case .dot(let sums, let x, let w): "\(text(sums)) + \(text(x))·\(text(w))"
    case .bytes(let pointer, let index, let type):
      "\(type.rawValue) of the bytes \(pointer.name)[\(text(index))...]"
    case .words(let pointer, let index): "words of \(pointer.name)[\(text(index))...]"
    case .bits(let words, let from, let count, let place):
      "\(count) bits of \(text(words)) from \(text(from))\(place == 0 ? "" : " at \(place)")"
    case .signedBits(let words, let from, let count):
      "\(count) signed bits of \(text(words)) from \(text(from))"
    case .storedBits(let pointer, let index, let count, let isFlipped):
      "\(count) bits of \(pointer.name) from \(text(index))\(isFlipped ? ", flipped" : "")"
    case .joined(let low, let high, let at): "(\(text(low)) | \(text(high)) at \(at))"
    case .whole(let bits): "number(\(text(bits)))"
    case .quads(let words, let from, let count, let place):
      "\(count) bits of each byte of \(text(words)) from \(text(from))\(place == 0 ? "" : " at \(place)")"
    case .quad(let pointer, let index): "four of \(pointer.name)[\(text(index))...]"
    case .signFlipped(let element): "flipped(\(text(element)))"
    case .quadStart(let numbers): "whole(\(text(numbers)))"
    case .quadZeros: "zeros"
    case .quadDot(_, let sums, let words, let quad):
      "\(text(sums)) + \(text(words))·\(text(quad))"
    case .quadTotal(_, let sums): "number(\(text(sums)))"
    }
  }
}
