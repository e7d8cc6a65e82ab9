import NormGenIR
import NormGenTensors

/// A product of integers: ``Matmul/Accumulation/int8``. Weights that are an i8 input are one group, whose
/// scales are 1.
struct IntegerProduct {
  /// The weights, column after column.
  let weights: BlockIntegers
  /// K: elements of a row.
  let depth: Int
  /// Successive k that share all factors of the weights.
  let group: Int
  /// The scales of a row.
  let scales: Int

  /// The input whose elements or blocks the weights of a product of integers are; nil if a node is none.
  static func weights(of node: Node, in graph: Graph) -> Node? {
    guard case .matmul(let matmul) = node.op, matmul.accumulation == .int8 else { return nil }
    let weights = graph[node.operands[1]]
    guard case .dequantize = weights.op else { return weights }
    return graph[weights.operands[0]]
  }

  /// The product that a node is.
  ///
  /// - Parameter tensor: The elements or blocks of its ``weights(of:in:)``.
  init(_ graph: Graph, _ node: Node, _ tensor: HostTensor) {
    let depth = graph[node.operands[0]].shape.rowExtent
    self.depth = depth
    if case .dequantize(let format) = graph[node.operands[1]].op {
      weights = format.integers(of: tensor)
      group = format.subBlockElements
      scales = graph[node.operands[2]].shape.elementsPerRow
      return
    }
    var isOutIn = true
    if case .matmul(let matmul) = node.op { isOutIn = matmul.layout == .outIn }
    let columns = tensor.count / max(depth, 1)
    let quants = (0..<columns * depth).map { place in
      Int32(tensor[isOutIn ? place : place % depth * columns + place / depth])
    }
    weights = BlockIntegers(quants: quants, scales: [Float](repeating: 1, count: columns))
    group = depth
    scales = 1
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
  /// - Parameters:
  ///   - scales: Those of the rows' groups; nil for products without them.
  ///   - element: One element, of a row's integers and scales.
  func product<Element>(
    _ x: [Element], _ scales: [Element]?, one: Element, needed: [Int]?, zero: Element,
    _ element: (ArraySlice<Element>, ArraySlice<Element>, _ column: Int) -> Element
  ) -> [Element] {
    let columns = weights.quants.count / depth
    let rows = x.count / depth
    let scales = scales ?? [Element](repeating: one, count: rows)
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
