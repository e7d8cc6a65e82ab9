/// Machine code in this process whose functions are found by name.
///
/// The code lives as long as the value: an address must not be called after the last reference is
/// gone.
package protocol LoadedCode: Sendable {
  /// What errors call the code.
  var name: String { get }
  /// The address of a function or variable that the code defines.
  func address(of symbol: String) throws(JITError) -> UnsafeRawPointer
}

extension LoadedObject: LoadedCode {}
