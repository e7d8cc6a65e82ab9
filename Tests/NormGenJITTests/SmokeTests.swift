import Testing

@testable import NormGenJIT

@Test func smoke() throws {
  let session = try ClangSession.shared()
  let object = try session.object(
    source: "int add(int a, int b) { return a + b; }", fileName: "add.c", options: .host)
  let loaded = try LoadedObject(object: object, name: "add")
  typealias Add = @convention(c) (Int32, Int32) -> Int32
  let add = unsafeBitCast(try loaded.address(of: "add"), to: Add.self)
  #expect(add(2, 3) == 5)
  print(session.version, session.hostCPU)
}
