private import Foundation
import NormGen

/// Images of handwritten digits, 8×8 pixels each: the digits set of scikit-learn.
struct Digits {
  static let side = 8
  static let classes = 10
  /// How many of the images, from the first on, are trained on.
  static let trainedCount = 1500

  /// The images' pixels from 0 to 1, row by row.
  let pixels: [[Float]]
  let labels: [Int]

  /// All images.
  static let all = Digits(text)

  /// Reads a line for each image: a letter for each pixel, from a for 0 to q for 16, then the
  /// digit.
  init(_ text: String) {
    var pixels: [[Float]] = []
    var labels: [Int] = []
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      pixels.append(
        line.prefix(Digits.side * Digits.side).map { Float($0 &- UInt8(ascii: "a")) / 16 })
      labels.append(Int((line.last ?? UInt8(ascii: "0")) &- UInt8(ascii: "0")))
    }
    self.pixels = pixels
    self.labels = labels
  }

  /// What the scores of one image are compared with: 1 for its digit, with 0.1 of it shared evenly
  /// by all classes.
  func smoothedTarget(_ index: Int) -> [Float] {
    (0..<Digits.classes).map { $0 == labels[index] ? 0.91 : 0.01 }
  }

  /// The least mean loss that such targets permit: their entropy.
  static let leastLoss = -(0.91 * log(0.91) + 9 * 0.01 * log(0.01))
}
