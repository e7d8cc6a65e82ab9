import NormGenIR

/// Prints loops for `explain` and for goldens.
public enum LoopPrinter {
  /// The steps of `program` as indented text.
  public static func text(of program: LoopProgram) -> String {
    if let kernel = program.onlyKernel { return text(of: kernel) }
    let memory = program.panels.map(\.summary) + program.totals.map(\.summary)
    var parts = [memory.map { "# \($0)\n" }.joined()]
    for (number, step) in program.steps.enumerated() {
      parts.append("step \(number + 1), for a block of at most \(program.blockRows) rows\n")
      switch step {
      case .rows(let kernels): parts += kernels.map { text(of: $0) }
      case .multiply(let products): parts += products.map { $0.summary + "\n" }
      case .accumulate(let sums): parts += sums.map { $0.summary + "\n" }
      }
    }
    return parts.joined(separator: "\n")
  }

  /// The loops of `kernel` as indented text.
  public static func text(of kernel: LoopKernel) -> String {
    var lines = kernel.summary.map { "# " + $0 }
    let parameters = kernel.buffers.map { buffer in
      "\(buffer.isOutput ? "out " : "")\(buffer.name): \(buffer.storage.rawValue)\(buffer.shape)"
    }
    lines.append("loops \(kernel.name)(\(parameters.joined(separator: ", ")))")
    let step = kernel.tile > 1 ? " by tiles of \(kernel.tile)" : ""
    lines.append("for row in 0..<rows\(step)  # \(kernel.lanes) lanes")
    append(kernel.row, depth: 1, to: &lines)
    return lines.joined(separator: "\n") + "\n"
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
      case .partials(let name, let reduction):
        lines.append(indent + "partials \(name): \(reduction.rawValue)")
      case .define(let name, let expression):
        lines.append(indent + "let \(name) = \(text(expression))")
      case .variable(let name, let expression):
        lines.append(indent + "var \(name) = \(text(expression))")
      case .assign(let name, let expression):
        lines.append(indent + "\(name) = \(text(expression))")
      case .loop(let index, let from, let to, let step, let body):
        lines.append(
          indent + "for \(index) in \(text(from))..<\(text(to))"
            + (step == 1 ? "" : " by \(step)"))
        append(body, depth: depth + 1, to: &lines)
      case .block(let text, let body):
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
      case .storeScalar(let pointer, let index, let expression):
        lines.append(indent + "\(pointer.name)[\(text(index))] = \(text(expression))")
      }
    }
  }

  private static func text(_ lanes: Lanes) -> String {
    switch lanes {
    case .all: ""
    case .first(let count): "  # first \(count) lanes"
    }
  }

  private static func text(_ index: Index) -> String {
    switch index {
    case .constant(let value): "\(value)"
    case .variable(let name): name
    case .stride(let name): "stride(\(name))"
    case .sum(let left, let right): "\(text(left)) + \(text(right))"
    case .product(let left, let right): "\(factor(left))·\(factor(right))"
    }
  }

  private static func factor(_ index: Index) -> String {
    if case .sum = index { return "(\(text(index)))" }
    return text(index)
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
    }
  }
}
