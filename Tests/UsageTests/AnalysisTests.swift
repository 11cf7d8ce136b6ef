import Usage
import XCTest

/// Section 7: from scores to whether somebody teleoperates.
final class AnalysisTests: XCTestCase {
    private func analyse(_ scores: [Double], threshold: Double = 70, corroborated: Double = 50) -> Analysis {
        let signals = scores.enumerated().map { Signal(source: "s\($0)", score: $1, reason: "", operators: ["o\($0)"]) }
        return Analysis(signals, threshold: threshold, corroborated: corroborated)
    }

    func testExamplesOfTheSpecification() {
        let cases: [(scores: [Double], confidence: Double, isActive: Bool)] = [
            ([], 0, false), ([85, 75], 83.5, true), ([60, 55], 59.25, true), ([62], 62, false), ([70], 70, true), ([69.99], 69.99, false),
            ([90], 90, true), ([51, 51], 51, true), ([50, 50], 50, false), ([90, 85, 95, 80], 92.75, true),
        ]
        for (scores, confidence, isActive) in cases {
            let analysis = analyse(scores)
            XCTAssertEqual(analysis.confidence, confidence, "\(scores)")
            XCTAssertEqual(analysis.isActive, isActive, "\(scores)")
        }
    }

    func testThresholdsAreThoseOfTheConfiguration() {
        XCTAssertTrue(analyse([30], threshold: 30).isActive)
        XCTAssertFalse(analyse([90], threshold: 91).isActive)
        XCTAssertFalse(analyse([60, 60], threshold: 90, corroborated: 60).isActive)
        XCTAssertTrue(analyse([61, 61], threshold: 90, corroborated: 60).isActive)
    }

    func testOperatorsAreTheUnionAndUnknownOnlyWhenAlone() {
        func names(_ lists: [String]...) -> [String] {
            let signals = lists.enumerated().map { Signal(source: "s\($0)", score: 90, reason: "", operators: $1) }
            return Analysis(signals, threshold: 70, corroborated: 50).operators.map(\.name)
        }
        XCTAssertEqual(names(["unknown"]), ["unknown"])
        XCTAssertEqual(names(["unknown"], ["bob"]), ["bob"])
        XCTAssertEqual(names(["bob", "anna"], ["anna"]), ["anna", "bob"])
        XCTAssertEqual(names([], []), [])
        XCTAssertEqual(names((0..<100).map { "n\($0)" }).count, 64)
    }

    func testNobodyIsNamedWhileInactive() { XCTAssertEqual(analyse([62]).operators.count, 0) }
}
