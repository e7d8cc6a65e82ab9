import NormGen
import Testing

/// Inputs in blocks in the DSL, the graph and the text form.
@Suite struct BlockGraphTests {
  @Test(arguments: BlockFormat.all)
  func theTextFormDeclaresTheirFormat(format: BlockFormat) throws {
    let text = """
      kernel k(x: bf16[rows, 512], w: \(format.name)[7, 512]) {
        y = matmul(x, w, layout: out_in)
      } -> y: bf16

      """
    let graph = try GraphParser.graphs(in: text)[0]
    #expect("\(graph)" == text)
    let x = Tensor.input("x", [.rows, 512], .bf16)
    let w = Tensor.input("w", [7, 512], format)
    #expect(w.shape == Shape(hasRows: false, extents: [7, 512]))
    let product = x.matmul(w, layout: .outIn)
    #expect(product.storage == .bf16)
    #expect(try Kernel("k", outputs: [.init("y", product)]).graph() == graph)
    let bytes = graph.buffers.first { $0.name == "w" }
    #expect(bytes?.storage == .u8)
    #expect(bytes?.shape.extents == [7, 512 / format.elementCount * format.byteCount])
  }

  @Test func bytesWithAnotherUseAreDequantizedByName() throws {
    let text = """
      kernel k(x: f32[rows, 32], b: u8[32], w: u8[34, 34]) {
        values = dequantize(w, format: q8_0)
        y = matmul(x, values, layout: out_in)
        z = concatenate(x, columns(x, from: 0, count: 2)) + columns(reshape(w, [1156]), from: 0, count: 34)
      } -> y: f32, z: f32

      """
    let graph = try GraphParser.graphs(in: text.replacing("b: u8[32], ", with: ""))[0]
    #expect(try GraphParser.graphs(in: "\(graph)")[0] == graph)
    #expect("\(graph)".contains("values = dequantize(w, format: q8_0)"))
  }

  @Test func theGradientOfWhatTheyMultiplyNeedsTheirValues() throws {
    let graph = try GraphParser.graphs(
      in:
        "kernel k(x: f32[rows, 32], w: q4_0[5, 32]) {\n  y = matmul(x, w, layout: out_in)\n} -> y\n"
    )[0]
    var found = ""
    do { _ = try graph.gradient(withRespectTo: ["x"]) } catch { found = "\(error)" }
    #expect(
      found.contains("'w' is read in blocks along the axis that products are summed over"),
      "\(found)")
    #expect(found.contains("derive the kernel with the weights' values as f32"))
  }

  @Test func whatIsNoBlockIsRefused() throws {
    let cases = [
      (
        "x: f32[rows, 48], w: q4_0[5, 48]", "w",
        "q4_0 blocks hold 32 elements, of which the last axis of a tensor without rows must be a multiple; "
          + "found shape [5, 48]"
      ),
      (
        "x: f32[rows, 32], w: q4_0[rows, 32]", "w",
        "q4_0 blocks hold 32 elements, of which the last axis of a tensor without rows must be a multiple; "
          + "found shape [rows, 32]"
      ),
      (
        "x: f32[rows, 32], w: u8[5, 17]", "dequantize(w, format: q4_0)",
        "q4_0 blocks have 18 bytes, of which the last axis of a value without rows must be a multiple; "
          + "found shape [5, 17]"
      ),
      (
        "x: f32[rows, 32], w: i8[5, 18]", "dequantize(w, format: q4_0)",
        "q4_0 blocks are the bytes of an input stored as u8, found the input 'w' stored as i8"
      ),
      (
        "x: f32[rows, 32], w: u8[5, 18]", "dequantize(w * 1, format: q4_0)",
        "q4_0 blocks are the bytes of an input stored as u8, found the result of 'multiply'"
      ),
      (
        "x: f32[rows, 32], w: i8[5, 32], s: f32[5, 2]", "dequantize(w, scale: s, group: 12)",
        "integers to dequantize must have no rows and a last axis of whole groups of 12, found shape "
          + "[5, 32]"
      ),
      (
        "x: f32[rows, 32], w: i8[5, 32], s: f32[5, 2]", "dequantize(w, scale: s)",
        "'scale' must have one number for each group, shape [5], found shape [5, 2]"
      ),
      (
        "x: f32[rows, 32], w: i8[5, 32], s: f32[5, 2], z: u8[5]",
        "dequantize(w, scale: s, zero: z, group: 16)",
        "'zero' must have one number for each group, shape [5, 2], found shape [5]"
      ),
      (
        "x: f32[rows, 32], w: u8[5, 18]", "dequantize(w, format: q9_0)",
        "expected one of q4_0, q4_1, q5_0"
      ),
      ("x: f32[rows, 32], w: q4[5, 32]", "w", "or a block format (q4_0, q4_1, q5_0"),
    ]
    for (inputs, weights, message) in cases {
      let text =
        "kernel k(\(inputs)) {\n  y = matmul(x, \(weights), layout: out_in)\n} -> y\n"
      var found = ""
      do { _ = try GraphParser.graphs(in: text) } catch { found = "\(error)" }
      #expect(found.contains(message), "\(found)")
    }
  }
}
