import Usage
import Wire
import XCTest

/// Spec teleop-monitor, section 12: the bytes.
final class SharedMemoryLayoutTests: XCTestCase {
    func testTheAreasLieAsTheTableSays() {
        XCTAssertEqual(MainLayout.stateOffset + MainLayout.stateAreaSize, 4152)
        XCTAssertEqual(MainLayout.metricsOffset, 4152)
        XCTAssertLessThanOrEqual(MainLayout.metricsOffset + MainLayout.metricsAreaSize, MainLayout.freeOffset)
        XCTAssertEqual(MainLayout.freeOffset + MainLayout.freeSize, MainLayout.size)
        let header = MainLayout.header(creation: 0x0102_0304_0506_0708, pid: 9)
        XCTAssertEqual(header.count, 64)
        XCTAssertEqual(
            Array(header.prefix(32)),
            [0x54, 0x45, 0x4C, 0x45, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    func testOperatorsAreLeftOutFromTheEnd() throws {
        for count in [10, 63, 64, 1000] {
            let operators = (0..<count).map { JSON.string("operator-\($0)-" + String(repeating: "é\"", count: 16)) }
            let state: JSONObject = ["is_active": true, "operators": .array(operators), "fps": 29.5]
            let area = try XCTUnwrap(MainLayout.stateArea(state))
            XCTAssertLessThanOrEqual(area.count, MainLayout.stateAreaSize)
            let text = try XCTUnwrap(MainLayout.stateText(of: area.span)?.array)
            var parser = JSONParser()
            try parser.feed(text.span)
            let read = try parser.finish()
            let kept = try XCTUnwrap(read["operators"]?.array)
            XCTAssertEqual(kept, Array(operators.prefix(kept.count)))
            XCTAssertEqual(read["operators_truncated"]?.bool, kept.count < count ? true : nil)
            if kept.count < count {
                XCTAssertGreaterThan(
                    area.count, MainLayout.stateAreaSize - operators[0].encoded().count - 4, "as many as there is room for")
            }
        }
        XCTAssertNil(MainLayout.stateArea(["is_active": .string(String(repeating: "x", count: 5000)), "operators": []]))
    }

    func testMetricNamesAreCutAtACharacter() throws {
        let metrics = [
            MainLayout.Metric("fps", 29.5), .init(String(repeating: "a", count: 31) + "é", 1),
            .init(String(repeating: "b", count: 40), .nan),
            .init("", -0.0),
        ]
        let area = MainLayout.metricsArea(metrics, written: 77)
        XCTAssertEqual(area.count, 10 + 4 * 40)
        let read = try XCTUnwrap(MainLayout.metrics(of: area.span))
        XCTAssertEqual(read.written, 77)
        XCTAssertEqual(read.values.map(\.name), ["fps", String(repeating: "a", count: 31), String(repeating: "b", count: 32), ""])
        XCTAssertTrue(read.values[2].value.isNaN)
        let many = MainLayout.metricsArea([MainLayout.Metric](repeating: .init("m", 1), count: 300), written: 0)
        XCTAssertEqual(many.count, MainLayout.metricsAreaSize)
    }

    func testAreasThatNoWriterMakesAreRefused() {
        for area: [UInt8] in [[0, 0, 16, 0], [0, 0, 0], [0, 0, 0, 5, 1]] { XCTAssertTrue(MainLayout.stateText(of: area.span) == nil) }
        for number: UInt8 in [205, 1] {
            let area: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 1, 0, number]
            XCTAssertNil(MainLayout.metrics(of: area.span))
        }
    }
}

final class TelemetryRingTests: XCTestCase {
    private final class Memory: SharedBytes {
        var bytes: [UInt8]
        init(_ capacity: Int) { bytes = [UInt8](repeating: 0, count: TelemetryRing.headerSize + capacity) }
        func byte(at offset: Int) -> UInt8 { bytes[offset] }
        func setByte(_ value: UInt8, at offset: Int) { bytes[offset] = value }
        func setWord(_ value: UInt32, at offset: Int) {
            for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index)) }
        }
        func fence() {}
        var words: TelemetryRing.Words {
            let bytes = bytes
            return TelemetryRing.Words(write: bytes.span.u32(at: 0), read: bytes.span.u32(at: 4), used: bytes.span.u32(at: 8))
        }
        var items: [TelemetryRing.Item]? {
            let bytes = bytes
            return TelemetryRing.items(of: bytes.span, before: words, after: words)
        }
    }

    func testAnItemHasItsForm() {
        let memory = Memory(4096)
        var ring = TelemetryRing(capacity: 4096)
        XCTAssertTrue(ring.append(.init(time: 1.0, data: [0xAB, 0xCD]), to: memory))
        XCTAssertEqual(
            Array(memory.bytes.prefix(26)),
            [0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 14, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0xAB, 0xCD])
        XCTAssertFalse(ring.append(.init(time: 1, data: [UInt8](repeating: 0, count: 1013)), to: memory))
    }

    /// Whatever the lengths, the newest are there, whole and in order, as many as there is room for.
    func testTheOldestGiveWay() throws {
        for (capacity, seed) in [(4096, UInt64(1)), (5003, 2), (65_536, 3)] {
            let memory = Memory(capacity)
            var ring = TelemetryRing(capacity: capacity), random = SeededRandom(seed: seed), all: [TelemetryRing.Item] = []
            XCTAssertEqual(memory.items, [])
            for index in 0..<2000 {
                let length = Int.random(in: 0...1012, using: &random)
                let item = TelemetryRing.Item(time: Double(index), data: [UInt8](repeating: UInt8(index % 256), count: length))
                all.append(item)
                ring.append(item, to: memory)
                let read = try XCTUnwrap(memory.items)
                XCTAssertEqual(read, Array(all.suffix(read.count)))
                let used = read.reduce(0) { $0 + 12 + $1.data.count }
                XCTAssertEqual(used, ring.used)
                XCTAssertGreaterThan(used, min(capacity - 2048, index * 12))
            }
        }
    }

    func testACopyThatTheWriterCutThroughIsRefused() {
        let memory = Memory(4096)
        var ring = TelemetryRing(capacity: 4096)
        for index in 0..<3 { ring.append(.init(time: Double(index), data: [1]), to: memory) }
        let (copy, before) = (memory.bytes, memory.words)
        ring.append(.init(time: 3, data: [2]), to: memory)
        XCTAssertEqual(TelemetryRing.items(of: copy.span, before: before, after: memory.words)?.count, 3, "one more behind them")
        var torn = before
        torn.used += 1
        XCTAssertNil(TelemetryRing.items(of: copy.span, before: torn, after: memory.words))
        for index in 0..<10 { ring.append(.init(time: Double(index), data: [UInt8](repeating: 3, count: 500)), to: memory) }
        XCTAssertNil(TelemetryRing.items(of: copy.span, before: before, after: memory.words), "the first have given way")
    }

    func testNoBytesTrap() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...3000, using: &random)).map { _ in UInt8.random(in: 0...3, using: &random) }
            let capacity = max(1, bytes.count - 12)
            let read = Int.random(in: 0..<capacity, using: &random), used = Int.random(in: 0...capacity, using: &random)
            let words = TelemetryRing.Words(write: UInt32((read + used) % capacity), read: UInt32(read), used: UInt32(used))
            _ = TelemetryRing.items(of: bytes.span, before: words, after: words)
        }
    }
}
