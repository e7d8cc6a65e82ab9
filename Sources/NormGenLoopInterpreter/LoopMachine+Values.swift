import NormGenIR
import NormGenLoops
import NormGenReference

/// What names stand for, and the values of expressions.
extension LoopMachine {
  // MARK: Names

  func place(_ name: String) throws(MemoryError) -> Place {
    guard let place = frame.pointers[name] else {
      throw MemoryError(message: "uses '\(name)', which points nowhere")
    }
    return place
  }

  func writablePlace(_ name: String) throws(MemoryError) -> Place {
    let place = try place(name)
    guard place.isWritable else {
      throw MemoryError(message: "writes through '\(name)', which may only be read")
    }
    return place
  }

  func byteOf(_ memory: String) throws(MemoryError) -> Int {
    guard let byte = frame.bytes[memory] else {
      throw MemoryError(message: "uses '\(memory)', which is no memory")
    }
    return byte
  }

  /// The position of an entry of an array.
  func entry(_ name: String, _ indices: [Index]) throws(MemoryError) -> Int {
    try checkLent(name)
    guard let extents = frame.arrays[name]?.extents, extents.count == indices.count else {
      throw MemoryError(message: "uses '\(name)', which is no array of that kind")
    }
    var position = 0
    for (extent, index) in zip(extents, indices) {
      let index = try value(index)
      guard (0..<extent).contains(index) else {
        throw MemoryError(message: "uses entry \(index) of '\(name)', which has \(extent)")
      }
      position = position * extent + index
    }
    return position
  }

  // MARK: Values

  func value(_ index: Index) throws(MemoryError) -> Int {
    do { return try frame.scope.value(index) } catch { throw MemoryError(message: "\(error)") }
  }

  func holds(_ condition: LoopCondition) throws(MemoryError) -> Bool {
    do { return try frame.scope.holds(condition) } catch {
      throw MemoryError(message: "\(error)")
    }
  }

  func value(_ argument: CallArgument) throws(MemoryError) -> Value {
    switch argument {
    case .index(let index): return .index(try value(index))
    case .flag(let condition): return .index(try holds(condition) ? 1 : 0)
    case .place(let name, let index):
      if let byte = frame.bytes[name] { return .byte(byte + (try value(index))) }
      return .place(try place(name).moved(by: try value(index)))
    }
  }

  func count(_ lanes: Lanes) throws(MemoryError) -> Int {
    switch lanes {
    case .all: return self.lanes
    case .first(let count): return count
    case .leading(let index):
      let count = try value(index)
      guard (1..<self.lanes).contains(count) else {
        throw MemoryError(message: "uses \(count) of \(self.lanes) lanes")
      }
      return count
    }
  }

  func read(
    _ pointer: Pointer, _ index: Index, _ count: Int
  ) throws(MemoryError) -> [Float] {
    let place = try place(pointer.name)
    return try memories[place.memory].read(
      place.offset + (try value(index)), count, place.window)
  }

  /// The lanes of an expression; a scalar's value in all of them.
  func vector(_ expression: LoopExpr) throws(MemoryError) -> [Float] {
    let values = try value(expression)
    return values.count == 1 && !expression.isVector
      ? [Float](repeating: values[0], count: lanes) : values
  }

  /// Some bits of each word, as a number.
  private func bits(
    of words: LoopExpr, from: Index, _ count: Int
  ) throws(MemoryError) -> [Float] {
    let (words, from) = (try value(words), try value(from))
    guard (0..<32).contains(from) else { throw MemoryError(message: "takes bit \(from) of words") }
    return try (0..<lanes).map { lane throws(MemoryError) in
      try bits(of: words[4 * lane + from / 8], from: from % 8, count)
    }
  }

  /// Some bits of a byte, as a number.
  private func bits(of byte: Float, from first: Int, _ count: Int) throws(MemoryError) -> Float {
    guard byte >= 0, byte <= 255, first >= 0, first + count <= 8 else {
      throw MemoryError(message: "takes \(count) bits from bit \(first) of \(byte)")
    }
    return Float(Int(byte) >> first & (1 << count - 1))
  }

  /// Sums with the products of four bytes added: two narrow ones for each lane, or the bits of a wide one.
  private func dot(
    _ kind: QuadSums, _ sums: [Float], _ words: [Float], _ quad: [Float]
  ) throws(MemoryError) -> [Float] {
    let products = words.indices.map { Int64(words[$0] * quad[$0]) }
    switch kind {
    case .narrow:
      return try sums.indices.map { place throws(MemoryError) in
        let sum = Int64(sums[place]) + products[2 * place] + products[2 * place + 1]
        guard abs(sum) <= 32767 else {
          throw MemoryError(message: "sums products of bytes to \(sum) in 16 bits")
        }
        return Float(sum)
      }
    case .wide:
      return try sums.indices.map { lane throws(MemoryError) in
        try wide(products[4 * lane..<4 * lane + 4].reduce(Self.whole(sums[lane]), +))
      }
    }
  }

  /// A sum of 32 bits, as the value of those bits.
  private func wide(_ sum: Int64) throws(MemoryError) -> Float {
    guard let sum = Int32(exactly: sum) else {
      throw MemoryError(message: "sums products of bytes to \(sum) in 32 bits")
    }
    return Float(bitPattern: UInt32(bitPattern: sum))
  }

  /// What such a value stands for.
  private static func whole(_ sum: Float) -> Int64 {
    Int64(Int32(bitPattern: sum.bitPattern))
  }

  /// One element for a scalar, one for each lane of a vector, two for each of a vector of pairs, the four
  /// bytes of each word.
  func value(_ expression: LoopExpr) throws(MemoryError) -> [Float] {
    switch expression {
    case .vector(let name), .scalar(let name):
      guard let value = frame.values[name] else {
        throw MemoryError(message: "uses '\(name)' before it has a value")
      }
      return value
    case .constant(let value): return [value]
    case .load(let pointer, let index, let lanes), .storedVector(let pointer, let index, let lanes):
      let count = try count(lanes)
      let loaded = try read(pointer, index, count)
      return loaded + [Float](repeating: 0, count: self.lanes - count)
    case .loadScalar(let pointer, let index), .stored(let pointer, let index):
      return try read(pointer, index, 1)
    case .storedZero: return [0]
    case .storedZeros: return [Float](repeating: 0, count: lanes)
    case .apply(let op, let operands):
      var all: [[Float]] = []
      for operand in operands {
        all.append(expression.isVector ? try vector(operand) : try value(operand))
      }
      return all[0].indices.map { lane in ExactArithmetic.value(of: op, all.map { $0[lane] }) }
    case .rounded(let type, let operand):
      return try value(operand).map { ExactArithmetic.rounded($0, to: type) }
    case .leading(let operand, let count):
      return try vector(operand).enumerated().map { $0.offset < count ? $0.element : 0 }
    case .combined(let reduction, let name):
      try checkLent(name)
      guard var tree = frame.partials[name] else {
        throw MemoryError(message: "combines '\(name)', which is not there")
      }
      while tree.count > 1 {
        let half = tree.count / 2
        tree = (0..<half).map {
          ExactArithmetic.combined(tree[$0], tree[$0 + half], by: reduction)
        }
      }
      return tree
    case .broadcast(let operand): return try vector(operand)
    case .entry(let name, let indices), .scalarEntry(let name, let indices):
      let position = try entry(name, indices)
      guard let entry = frame.arrays[name]?.entries[position] else {
        throw MemoryError(message: "uses an entry of '\(name)' before it has a value")
      }
      return entry
    case .choose(let condition, let yes, let no):
      let chosen = try holds(condition) ? yes : no
      return expression.isVector ? try vector(chosen) : try value(chosen)
    case .number(let index): return [Float(try value(index))]
    case .pairs(let pointer, let index): return try read(pointer, index, 2 * lanes)
    case .pair(let pointer, let index, let isHalf):
      let pair = try read(pointer, index, isHalf ? 1 : 2) + (isHalf ? [0] : [])
      return (0..<2 * lanes).map { pair[$0 % 2] }
    case .widened(let isSecond, let operand):
      let pairs = try value(operand)
      return (0..<lanes).map { pairs[2 * $0 + (isSecond ? 1 : 0)] }
    case .bytes(let pointer, let index, let type):
      let bytes = try read(pointer, index, lanes * type.byteCount)
      return (0..<lanes).map { lane in
        let own = bytes[lane * type.byteCount..<(lane + 1) * type.byteCount]
        return ExactArithmetic.value(
          ofBits: own.reversed().reduce(0) { $0 << 8 | UInt32($1) }, as: type)
      }
    case .words(let pointer, let index):
      // Bytes have no sign.
      return try read(pointer, index, 4 * lanes).map { $0 < 0 ? $0 + 256 : $0 }
    case .bits(let words, let from, let count, let place):
      return try bits(of: words, from: from, count).map { $0 * Float(1 << place) }
    case .signedBits(let words, let from, let count):
      let half = Float(1 << (count - 1))
      return try bits(of: words, from: from, count).map { $0 < half ? $0 : $0 - 2 * half }
    case .storedBits(let pointer, let position, let count, let isFlipped):
      let position = try value(position)
      let byte = try read(pointer, .constant(position / 8), 1)[0]
      let bits = try bits(of: byte, from: position % 8, count)
      let half = Float(1 << (count - 1))
      return [isFlipped ? (bits < half ? bits + half : bits - half) : bits]
    case .joined(let low, let high, let place):
      return zip(try value(low), try value(high)).map { $0 + $1 * Float(1 << place) }
    case .whole(let bits): return try value(bits)
    case .quads(let words, let from, let count, let place):
      let from = try value(from)
      return try value(words).map { byte throws(MemoryError) in
        try bits(of: byte, from: from, count) * Float(1 << place)
      }
    case .quad(let pointer, let index):
      let quad = try read(pointer, index, 4)
      return (0..<4 * lanes).map { quad[$0 % 4] }
    case .signFlipped(let element): return try value(element).map { $0 < 0 ? $0 + 128 : $0 - 128 }
    case .quadStart(let numbers):
      return try vector(numbers).map { number throws(MemoryError) in
        guard let whole = Int64(exactly: number) else {
          throw MemoryError(message: "begins sums of products of bytes at \(number)")
        }
        return try wide(whole)
      }
    case .quadZeros(let kind):
      return [Float](repeating: 0, count: kind == .narrow ? 2 * lanes : lanes)
    case .quadDot(let kind, let sums, let words, let quad):
      return try dot(kind, try value(sums), try value(words), try value(quad))
    case .quadTotal(.wide, let sums): return try value(sums).map { Float(Self.whole($0)) }
    case .quadTotal(.narrow, let sums):
      let sums = try value(sums)
      return (0..<lanes).map { sums[2 * $0] + sums[2 * $0 + 1] }
    case .dot(let sums, let x, let w):
      let (sums, x, w) = (try vector(sums), try value(x), try value(w))
      return sums.indices.map { lane in
        ExactSums.dot(
          sums[lane], (x[2 * lane], x[2 * lane + 1]), (w[2 * lane], w[2 * lane + 1]))
      }
    }
  }
}
