import Foundation

/// The process's environment, for the switches of the tests.
let testEnvironment = ProcessInfo.processInfo.environment
