import Usage
import Wire
import XCTest

/// Spec section 8.3, in virtual time.
final class InputDetectorTests: XCTestCase {
    private typealias Description = InputDetector.Description

    private let gamepad = Description(
        path: "/dev/input/event5", name: "Pad", axes: [0: 0...255, 1: 0...255, 16: -1...1, 40: 0...0], keys: [0x130, 0x131])
    private let keyboard = Description(path: "/dev/input/event3", keys: Set(1...111))
    private let joystick = Description(path: "/dev/input/js0", isJS: true)

    /// `struct input_event` of a 64-bit kernel.
    private func event(_ type: UInt16, _ code: UInt16, _ value: Int32) -> [UInt8] {
        var bytes: [UInt8] = [0x10, 0x32, 0x54, 0x65, 0, 0, 0, 0, 0x40, 0x42, 0x0F, 0, 0, 0, 0, 0]
        for number in [type, code] { bytes += [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)] }
        for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> Int32(shift))) }
        return bytes
    }

    private func axis(_ code: UInt16, _ value: Int32) -> [UInt8] { event(3, code, value) + event(0, 0, 0) }
    private func key(_ code: UInt16, _ value: Int32) -> [UInt8] { event(4, 4, 0x70011) + event(1, code, value) + event(0, 0, 0) }

    private func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }

    private func detector(_ description: Description) -> InputDetector {
        var detector = InputDetector()
        XCTAssertTrue(detector.added(1, description, at: .zero))
        return detector
    }

    func testKinds() {
        let table: [(String, Description, InputDetector.Kind)] = [
            ("gamepad", gamepad, .gamepad), ("stick", Description(path: "", axes: [0: -9...9, 1: -9...9], keys: [0x120]), .gamepad),
            ("keyboard", keyboard, .keyboard), ("joystick", joystick, .gamepad),
            ("mouse", Description(path: "", keys: [0x110, 0x111]), .other),
            ("touch screen", Description(path: "", axes: [0: 0...9, 1: 0...9], keys: [0x14A]), .other),
            ("motion sensor", Description(path: "", axes: [0: 0...9, 1: 0...9, 2: 0...9]), .other),
            ("power button", Description(path: "", keys: [116]), .other),
            ("one axis", Description(path: "", axes: [0: 0...9], keys: [0x130]), .other),
            ("both", Description(path: "", axes: [0: 0...9, 1: 0...9], keys: Set(1...0x130)), .gamepad),
            ("a sensor as joystick", Description(path: "", axes: [0: 0...9, 1: 0...9], isJS: true), .other),
        ]
        for (name, description, kind) in table {
            XCTAssertEqual(InputDetector.kind(of: description), kind, name)
            var detector = InputDetector()
            XCTAssertEqual(detector.added(1, description, at: .zero), kind != .other, name)
        }
    }

    func testRecordsCutAnywhere() {
        let bytes = event(3, 0, -5) + event(1, 0x130, 1) + event(0, 0, 0)
        for size in 1...72 {
            var reader = EvdevReader(isJS: false), records: [EvdevReader.Record] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                let piece = Array(bytes[start..<min(start + size, bytes.count)])
                var offset = 0
                while let record = reader.next(piece.span, &offset) { records.append(record) }
                XCTAssertEqual(offset, piece.count)
            }
            XCTAssertEqual(
                records, [.init(type: 3, code: 0, value: -5), .init(type: 1, code: 0x130, value: 1), .init(type: 0, code: 0, value: 0)],
                "\(size)")
        }
        var reader = EvdevReader(isJS: true), offset = 0
        XCTAssertEqual(
            reader.next(([1, 2, 3, 4, 0x01, 0x80, 0x82, 3] as [UInt8]).span, &offset), .init(type: 0x82, code: 3, value: -32_767))
    }

    /// 20, 30 for a gamepad, 15 for a rate over 5 Hz, 20 for more than ten movements, 15 for axes and buttons: each at its event.
    func testConfidenceRisesAtTheEventThatEarnsIt() {
        var detector = detector(gamepad), scores: [Double?] = [], news: [Bool] = []
        for step in 0..<24 {
            let now = at(1000 + step * 50)
            detector.received(1, axis(0, step % 2 == 0 ? 0 : 255).span, at: now)
            news.append(detector.hasNews)
            scores.append(detector.evidence(at: now).score)
        }
        XCTAssertEqual(scores[9], nil)
        XCTAssertEqual(scores[10], 65, "eleven events in 2 s are over 5 Hz")
        XCTAssertEqual(scores[11], 85, "the first tells where the axis is; eleven movements after it")
        XCTAssertEqual(news.indices.filter { news[$0] }, [0, 10, 11])
        let now = at(1000 + 24 * 50)
        detector.received(1, key(0x130, 1).span, at: now)
        XCTAssertTrue(detector.hasNews)
        XCTAssertEqual(detector.evidence(at: now), Evidence(score: 100, reason: "Input: 100% confidence", operators: [], connections: 1))
    }

    func testASessionLastsTwoSecondsAfterItsLastEvent() {
        var detector = detector(gamepad)
        for step in 0..<30 { detector.received(1, axis(0, step % 2 == 0 ? 0 : 255).span, at: at(1000 + step * 10)) }
        XCTAssertEqual(detector.evidence(at: at(1290)), Evidence(score: 85, reason: "Input: 85% confidence", operators: [], connections: 1))
        var now = at(1290), looks = 0
        while let deadline = detector.deadline {
            now = deadline
            detector.advance(to: now)
            if detector.evidence(at: now).connections == 0 { break }
            looks += 1
        }
        XCTAssertEqual(now, at(3290))
        XCTAssertLessThanOrEqual(looks, 5, "every half second")
        XCTAssertNil(detector.deadline)
        XCTAssertEqual(detector.evidence(at: now), .none)
        let first = detector.nextChange(), second = detector.nextChange()
        XCTAssertEqual([first?.isEstablished, second?.isEstablished], [true, false])
        XCTAssertEqual(first?.local, "/dev/input/event5")
        detector.received(1, axis(0, 0).span, at: at(4000))
        XCTAssertNil(detector.evidence(at: at(4000)).score, "a new session begins from nothing")
    }

    func testTremblingIsNobodysHand() {
        var detector = detector(gamepad)
        detector.received(1, axis(0, 128).span, at: at(1000))
        for step in 1..<1000 { detector.received(1, axis(0, 128 + Int32(step % 3) - 1).span, at: at(1000 + step * 10)) }
        XCTAssertEqual(detector.evidence(at: at(11_000)), .none)
    }

    func testSmallStepsAddUpToMovements() {
        var detector = detector(gamepad)
        for step in 0..<60 { detector.received(1, axis(1, Int32(step * 4)).span, at: at(1000 + step * 20)) }
        XCTAssertEqual(detector.evidence(at: at(2200)).score, 85)
    }

    func testAKeyboardsMovementKeysCountAndNothingElse() {
        var detector = detector(keyboard)
        for step in 0..<200 { detector.received(1, (key(20, 1) + key(20, 0) + key(0x100, 1)).span, at: at(1000 + step * 20)) }
        XCTAssertFalse(detector.hasNews)
        XCTAssertEqual(detector.evidence(at: at(5000)), .none)
        for (step, code) in ([17, 30, 31, 32, 16, 18, 19, 33, 103, 105, 106, 108, 57, 42, 54] as [UInt16]).enumerated() {
            detector.received(1, key(code, 1).span, at: at(6000 + step * 100))
        }
        XCTAssertEqual(detector.evidence(at: at(7500)).score, 55)
        var held = self.detector(keyboard)
        held.received(1, key(17, 1).span, at: at(1000))
        for step in 1..<300 { held.received(1, key(17, 2).span, at: at(1000 + step * 33)) }
        XCTAssertEqual(held.evidence(at: at(10_900)), Evidence(score: nil, reason: "", operators: [], connections: 1), "held, not moved")
    }

    func testEventsThatTheKernelLostAreNotGuessed() {
        var detector = detector(gamepad)
        detector.received(1, (event(0, 3, 0) + event(1, 0x130, 1)).span, at: at(1000))
        XCTAssertEqual(detector.evidence(at: at(1000)).connections, 0, "up to the next report")
        detector.received(1, (event(0, 0, 0) + key(0x130, 1)).span, at: at(1010))
        XCTAssertEqual(detector.evidence(at: at(1010)).connections, 1)
    }

    func testAJoystickTellsItsStateFirst() {
        func record(_ type: UInt8, _ number: UInt8, _ value: Int16) -> [UInt8] {
            [0, 0, 0, 0, UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8), type, number]
        }
        var detector = detector(joystick)
        for number in 0..<8 { detector.received(1, (record(0x81, UInt8(number), 1) + record(0x82, UInt8(number), 500)).span, at: at(1000)) }
        XCTAssertEqual(detector.evidence(at: at(1000)), .none)
        for step in 0..<11 { detector.received(1, record(2, 0, step % 2 == 0 ? 32_000 : -32_000).span, at: at(1100 + step * 20)) }
        XCTAssertEqual(detector.evidence(at: at(1320)).score, 85)
        detector.received(1, record(1, 0, 1).span, at: at(1330))
        XCTAssertEqual(detector.evidence(at: at(1330)).score, 100)
    }

    func testADeviceThatGoesEndsItsSession() {
        var detector = detector(gamepad)
        for step in 0..<30 { detector.received(1, axis(0, step % 2 == 0 ? 0 : 255).span, at: at(1000 + step * 10)) }
        _ = detector.evidence(at: at(1300))
        detector.removed(1, at: at(1310))
        XCTAssertTrue(detector.hasNews)
        XCTAssertEqual(detector.evidence(at: at(1310)), .none)
        detector.received(1, axis(0, 3).span, at: at(1320))
        XCTAssertFalse(detector.hasNews)
    }

    func testTheBestSessionCounts() {
        var detector = detector(keyboard)
        XCTAssertTrue(detector.added(2, gamepad, at: .zero))
        detector.received(1, key(17, 1).span, at: at(1000))
        for step in 0..<30 { detector.received(2, axis(0, step % 2 == 0 ? 0 : 255).span, at: at(1000 + step * 10)) }
        XCTAssertEqual(detector.evidence(at: at(1300)), Evidence(score: 85, reason: "Input: 85% confidence", operators: [], connections: 2))
    }

    func testAtMost64DevicesTheOldestIdleOneGivesWay() {
        var detector = InputDetector()
        for id in 0..<64 { XCTAssertTrue(detector.added(id, gamepad, at: at(id))) }
        detector.received(0, key(0x130, 1).span, at: at(100))
        XCTAssertTrue(detector.added(64, gamepad, at: at(101)))
        XCTAssertEqual(detector.displaced, 1)
        XCTAssertEqual(detector.nextDropped(), 1)
        XCTAssertNil(detector.nextDropped())
        XCTAssertEqual(detector.evidence(at: at(102)).connections, 1)
    }

    /// Any bytes, in any pieces; seed 9.
    func testAnyBytes() {
        var random = SeededRandom(seed: 9), detector = InputDetector(), now = Instant.zero
        for (id, description) in [gamepad, keyboard, joystick].enumerated() { XCTAssertTrue(detector.added(id, description, at: .zero)) }
        for _ in 0..<20_000 {
            now = now + .milliseconds(Int(random.next() % 40))
            let bytes = (0..<Int(random.next() % 80)).map { _ in
                UInt8(truncatingIfNeeded: random.next() % 4 == 0 ? random.next() : random.next() % 4)
            }
            detector.received(Int(random.next() % 4), bytes.span, at: now)
            detector.advance(to: now)
            if let score = detector.evidence(at: now).score { XCTAssertTrue((50.5...100).contains(score), "seed 9") }
        }
    }
}
