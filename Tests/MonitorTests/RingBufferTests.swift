import Monitor
import Reactor
import TestSupport
import Wire
import XCTest

/// Spec teleop-monitor, section 13.
final class RingBufferTests: XCTestCase {
    private func read(_ ring: RingBuffer) -> (RingBuffer.Header, [UInt8])? {
        var bytes = [UInt8](repeating: 0, count: RingBuffer.longestItem)
        var span = bytes.mutableSpan
        guard let header = ring.read(into: &span) else { return nil }
        return (header, Array(bytes.prefix(header.length)))
    }

    func testItemsComeInOrderWithTheirTimeAndType() {
        let ring = RingBuffer(capacity: 4096)
        XCTAssertTrue(ring.write(time: 1.5, type: 7, [1, 2, 3].span))
        XCTAssertTrue(ring.write(time: -2, type: 0xFFFF, [UInt8]().span))
        XCTAssertEqual(ring.count, 2)
        XCTAssertEqual(ring.available, 27)
        XCTAssertEqual(ring.free, 4096 - 27)
        let first = read(ring), second = read(ring)
        XCTAssertEqual(first?.0, RingBuffer.Header(time: 1.5, type: 7, length: 3))
        XCTAssertEqual(first?.1, [1, 2, 3])
        XCTAssertEqual(second?.0, RingBuffer.Header(time: -2, type: 0xFFFF, length: 0))
        XCTAssertNil(read(ring))
        XCTAssertEqual(ring.underflows, 1)
        XCTAssertEqual(ring.overflows, 0)
        XCTAssertEqual(ring.free, 4096)
    }

    func testWhatIsTooLargeIsRefused() {
        let ring = RingBuffer(capacity: 4096)
        XCTAssertTrue(ring.write(time: 0, type: 1, [UInt8](repeating: 1, count: 1012).span))
        XCTAssertFalse(ring.write(time: 0, type: 1, [UInt8](repeating: 1, count: 1013).span))
        XCTAssertEqual(ring.count, 1)
    }

    func testWhenFullTheOldestGiveWay() {
        for capacity in [4096, 5000, 4097] {
            let ring = RingBuffer(capacity: capacity)
            // 100 bytes each.
            for index in 0..<1000 { ring.write(time: Double(index), type: 1, [UInt8](repeating: UInt8(index % 251), count: 88).span) }
            let kept = capacity / 100
            XCTAssertEqual(ring.count, kept)
            XCTAssertEqual(ring.overflows, 1000 - kept)
            XCTAssertEqual(ring.available, kept * 100)
            for index in (1000 - kept)..<1000 {
                let item = read(ring)
                XCTAssertEqual(item?.0.time, Double(index))
                XCTAssertEqual(item?.1, [UInt8](repeating: UInt8(index % 251), count: 88))
            }
            XCTAssertNil(read(ring))
        }
    }

    /// Two threads, a ring that always overflows: nothing torn, nothing twice, nothing out of order, and what is missing is counted.
    func testNothingIsTornBetweenTwoThreads() async throws {
        let ring = RingBuffer(capacity: 4096)
        let total = 300_000, isDone = Log<Int>()
        try WorkerThread.start("ring-writer") {
            var data = [UInt8](repeating: 0, count: 600)
            for index in 0..<total {
                let length = 4 + index &* 7919 % 500
                for place in 0..<length { data[place] = UInt8(truncatingIfNeeded: index &+ place) }
                ring.write(time: Double(index), type: UInt16(truncatingIfNeeded: index), data.span.extracting(0..<length))
            }
            isDone.add(1)
        }
        var (last, read) = (-1, 0)
        while true {
            let wasDone = !isDone.all.isEmpty
            guard let (header, bytes) = self.read(ring) else {
                if wasDone { break }
                continue
            }
            let index = Int(header.time)
            XCTAssertGreaterThan(index, last)
            XCTAssertEqual(header.type, UInt16(truncatingIfNeeded: index))
            guard header.length == 4 + index &* 7919 % 500 else { return XCTFail("a torn length at \(index)") }
            guard bytes.indices.allSatisfy({ bytes[$0] == UInt8(truncatingIfNeeded: index &+ $0) }) else {
                return XCTFail("torn at \(index)")
            }
            (last, read) = (index, read + 1)
        }
        print("ring: \(read) of \(total) read, \(ring.overflows) gave way")
        XCTAssertEqual(last, total - 1, "the newest are always there")
        XCTAssertEqual(read + ring.overflows, total)
        XCTAssertEqual(ring.count, 0)
    }
}
