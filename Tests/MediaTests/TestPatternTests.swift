import Media
import XCTest

final class TestPatternTests: XCTestCase {
    func testTheTimeCodeCanBeReadBesideClockAndDisc() {
        for (width, height) in [(640, 480), (1280, 720), (64, 64), (320, 180)] {
            var pattern = TestPattern(width: width, height: height, showsClock: true)
            for count in 0..<400 {
                let time: Int64 = 1_700_000_000_000 + Int64(count) * 33
                let bits = min(32, width / 32)
                XCTAssertEqual(
                    TestPattern.readTimeCode(pattern.next(unixMilliseconds: time)), UInt32(truncatingIfNeeded: time & (1 << bits - 1)),
                    "picture \(count) of \(width)x\(height)")
            }
        }
    }

    /// Beside the disc and the line of text every picture is as it would be without them: nothing is left where the disc has been.
    func testClockAndDiscAreAllThatIsAdded() {
        let (width, height) = (640, 480)
        var plain = TestPattern(width: width, height: height), rich = TestPattern(width: width, height: height, showsClock: true)
        var lefts: [Int] = []
        for count in 0..<250 {
            let (before, after) = (plain.next(unixMilliseconds: Int64(count)), rich.next(unixMilliseconds: Int64(count)))
            // The chroma under the disc is its own.
            let reds = (0..<(width * height / 4)).filter { place in
                before.bytes[before.planes.red + place] != after.bytes[after.planes.red + place] && place / (width / 2) > 30
            }
            let columns = reds.map { $0 % (width / 2) * 2 }, rows = reds.map { $0 / (width / 2) * 2 }
            guard let left = columns.min(), let right = columns.max(), let top = rows.min(), let bottom = rows.max() else { continue }
            lefts.append(left)
            XCTAssertLessThanOrEqual(right - left, 70, "picture \(count)")
            XCTAssertLessThanOrEqual(bottom - top, 70, "picture \(count)")
            for y in 60..<height {
                for x in 0..<width where !((left...(right + 1)).contains(x) && (top...(bottom + 1)).contains(y)) {
                    if before.bytes[y * width + x] != after.bytes[y * width + x] { return XCTFail("(\(x), \(y)) of picture \(count)") }
                }
            }
        }
        XCTAssertGreaterThan(lefts.max() ?? 0, 600, "it goes across")
        XCTAssertEqual(lefts.min(), 0)
    }

    func testTheSameTimeMakesTheSamePicture() {
        var first = TestPattern(width: 320, height: 240, showsClock: true), second = TestPattern(width: 320, height: 240, showsClock: true)
        for count in 0..<20 {
            XCTAssertEqual(first.next(unixMilliseconds: Int64(count)).bytes, second.next(unixMilliseconds: Int64(count)).bytes)
        }
    }
}
