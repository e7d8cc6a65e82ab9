import NormGenIR

extension Graph {
  /// The inputs, and what blocks hold, that are weights of matmuls and nothing else: products read them
  /// where they are.
  var weightsOnly: Set<ValueID> {
    var weights: Set<ValueID> = []
    var others = Set(outputs.map(\.value))
    for node in nodes {
      if case .matmul = node.op {
        others.insert(node.operands[0])
        others.formUnion(node.operands.dropFirst(2))
        if let input = weightsInput(node.operands[1]) {
          weights.formUnion([input, node.operands[1]])
        }
      } else if case .dequantize = node.op {
        // Whoever reads its value decides.
      } else {
        others.formUnion(node.operands)
      }
    }
    return weights.subtracting(others)
  }

  /// For each node the values that nothing needs once it is evaluated; outputs stay.
  var lastUses: [[ValueID]] {
    var uses = [[ValueID]](repeating: [], count: nodes.count)
    var seen = Set(outputs.map(\.value))
    for id in values.reversed() {
      for operand in self[id].operands where seen.insert(operand).inserted {
        uses[id.index].append(operand)
      }
    }
    return uses
  }

  /// The shape of the terms that a reduction of these operands takes: theirs, broadcast.
  func termShape(of operands: [ValueID]) -> Shape {
    operands.dropFirst().reduce(self[operands[0]].shape) { shape, operand in
      (try? shape.broadcast(with: self[operand].shape)) ?? shape
    }
  }
}
