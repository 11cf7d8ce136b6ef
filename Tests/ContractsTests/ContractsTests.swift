import XCTest

final class ContractsTests: XCTestCase {}
