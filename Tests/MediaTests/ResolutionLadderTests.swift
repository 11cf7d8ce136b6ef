import Media
import Wire
import XCTest

final class ResolutionLadderTests: XCTestCase {
    private var ladder = ResolutionLadder(width: 1280, height: 720, rate: 30, bitrate: 1_500_000)
    private var now = Instant.zero

    private func run(_ bitrate: Int, seconds: Double) -> [Int] {
        var heights: [Int] = []
        for _ in 0..<Int(seconds * 30) {
            now += .milliseconds(33)
            if ladder.choose(bitrate, at: now) { heights.append(ladder.size.height) }
        }
        return heights
    }

    func testTheSizeFollowsTheBitrateDownAndUp() {
        XCTAssertEqual(run(1_500_000, seconds: 10), [])
        XCTAssertEqual(run(700_000, seconds: 3), [540])
        XCTAssertEqual(run(100_000, seconds: 3), [180])
        XCTAssertEqual(run(1_500_000, seconds: 10), [720])
    }

    func testADipOrAPeakChangesNothing() {
        XCTAssertEqual(run(100_000, seconds: 0.4), [])
        XCTAssertEqual(run(1_500_000, seconds: 5), [])
        XCTAssertEqual(run(300_000, seconds: 3), [360])
        XCTAssertEqual(run(1_500_000, seconds: 2.8), [])
        XCTAssertEqual(run(300_000, seconds: 10), [])
    }

    func testABitrateAtTheEdgeDoesNotMakeItSwing() {
        let edge = ladder.need(of: 0)
        var changes = 0
        for round in 0..<60 { changes += run(edge + (round % 2 == 0 ? -40_000 : 40_000), seconds: 4).count }
        XCTAssertEqual(changes, 1)
    }

    func testTheSizeThatWasAskedForWithLittleBitrateIsKept() {
        ladder = ResolutionLadder(width: 1280, height: 720, rate: 30, bitrate: 300_000)
        XCTAssertEqual(run(300_000, seconds: 10), [])
        XCTAssertEqual(run(130_000, seconds: 3), [540])
        XCTAssertEqual(run(300_000, seconds: 10), [720])
    }

    func testSizesAreEvenAndNotTiny() {
        for (width, height) in [(16, 16), (640, 480), (642, 482), (4096, 2160), (100, 98)] {
            let ladder = ResolutionLadder(width: width, height: height, rate: 30, bitrate: 1_000_000)
            XCTAssertEqual(ladder.sizes[0].width, width)
            for size in ladder.sizes { XCTAssertTrue(size.width % 2 == 0 && size.height % 2 == 0 && size.height >= 16, "\(size)") }
        }
    }
}
