import NormGenIR
import NormGenTensors

/// A product of integers and quants of blocks: ``Matmul/Accumulation/int8``.
struct IntegerProduct {
  /// The weights, column after column.
  let weights: BlockIntegers
  /// K: elements of a row.
  let depth: Int
  /// Successive k that share all factors of the weights.
  let group: Int
  /// The scales of a row.
  let scales: Int

  /// The product that a node is.
  ///
  /// - Parameter blocks: The weights' bytes.
  init(_ graph: Graph, _ node: Node, _ format: BlockFormat, _ blocks: HostTensor) {
    weights = format.integers(of: blocks)
    depth = graph[node.operands[0]].shape.rowExtent
    group = format.subBlockElements
    scales = graph[node.operands[2]].shape.elementsPerRow
  }

  private var groups: Int { depth / group }

  /// One element in Float32, as declared.
  ///
  /// - Parameters:
  ///   - x: The row's integers.
  ///   - scales: The row's scales.
  func exact(_ x: ArraySlice<Float>, _ scales: ArraySlice<Float>, column: Int) -> Float {
    var sum: Float = 0
    for number in 0..<groups {
      var (products, integers): (Int64, Int64) = (0, 0)
      for k in number * group..<(number + 1) * group {
        let element = Int64(x[x.startIndex + k])
        products += element * Int64(weights.quants[column * depth + k])
        integers += element
      }
      let place = column * groups + number
      let scale = scales[scales.startIndex + number * self.scales / groups]
      sum.addProduct(Float(products), scale * weights.scales[place])
      if let offsets = weights.offsets { sum.addProduct(Float(integers), scale * offsets[place]) }
    }
    return sum
  }

  /// One element with its bound: sums of what the integers may be, and the chain's roundings.
  func bounded(_ x: ArraySlice<Bounded>, _ scales: ArraySlice<Bounded>, column: Int) -> Bounded {
    var sum = Bounded(0)
    for number in 0..<groups {
      // Far below 2⁵³, so that Float64 holds the sums exactly.
      var (products, integers) = (Bounded(0), Bounded(0))
      for k in number * group..<(number + 1) * group {
        let element = x[x.startIndex + k]
        let quant = Double(weights.quants[column * depth + k])
        products.value += element.value * quant
        products.error += element.error * abs(quant)
        integers.value += element.value
        integers.error += element.error
      }
      let place = column * groups + number
      let scale = scales[scales.startIndex + number * self.scales / groups]
      sum = products.multiplyAdd(scale * Bounded(Double(weights.scales[place])), sum)
      if let offsets = weights.offsets {
        sum = integers.multiplyAdd(scale * Bounded(Double(offsets[place])), sum)
      }
    }
    return sum
  }

  /// The elements of rows in some columns, the others 0; nil for all columns.
  ///
  /// - Parameter element: One element, of a row's integers and scales.
  func product<Element>(
    _ x: [Element], _ scales: [Element], needed: [Int]?, zero: Element,
    _ element: (ArraySlice<Element>, ArraySlice<Element>, _ column: Int) -> Element
  ) -> [Element] {
    let columns = weights.quants.count / depth
    let rows = x.count / depth
    var result = [Element](repeating: zero, count: rows * columns)
    for row in 0..<rows {
      let own = x[row * depth..<(row + 1) * depth]
      let ownScales = scales[row * self.scales..<(row + 1) * self.scales]
      for column in needed ?? Array(0..<columns) {
        result[row * columns + column] = element(own, ownScales, column)
      }
    }
    return result
  }
}

extension Graph {
  /// The format of the blocks that a product of integers reads; nil if a node is another one.
  func formatOfIntegers(_ node: Node) -> BlockFormat? {
    guard case .matmul(let matmul) = node.op, matmul.accumulation == .int8,
      case .dequantize(let format) = self[node.operands[1]].op
    else { return nil }
    return format
  }
}
