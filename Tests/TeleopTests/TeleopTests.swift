import XCTest

final class TeleopTests: XCTestCase {}
