import XCTest

final class RobotTests: XCTestCase {}
