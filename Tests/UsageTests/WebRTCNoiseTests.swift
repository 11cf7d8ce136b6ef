import Usage
import Wire
import XCTest

/// Traffic on ephemeral ports that is not WebRTC: nothing of it may ever count.
final class WebRTCNoiseTests: XCTestCase {
    private typealias Shape = (name: String, make: @Sendable (inout SeededRandom, Int) -> [UInt8])

    private static let shapes: [Shape] = [
        ("random", { random, _ in noise(&random, from: 0) }),
        ("QUIC, short header", { random, _ in [UInt8.random(in: 0x40...0x7F, using: &random)] + noise(&random, from: 1) }),
        (
            "QUIC, long header",
            { random, n in
                [UInt8.random(in: 0xC0...0xFF, using: &random), 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8] + noise(&random, from: 14)
            }
        ),
        (
            "QUIC, greased",
            { random, n in [UInt8.random(in: 0x80...0xBF, using: &random)] + [1, 2, 3, 4, 5, 6, 7, 8] + noise(&random, from: 9) }
        ),
        (
            "WireGuard",
            { random, n in
                [4, 0, 0, 0, 9, 9, 9, 9, UInt8(truncatingIfNeeded: n), UInt8(truncatingIfNeeded: n >> 8), 0, 0, 0, 0, 0, 0]
                    + noise(&random, from: 16)
            }
        ),
        (
            "DNS",
            { random, _ in
                [UInt8.random(in: 0...255, using: &random), UInt8.random(in: 0...255, using: &random), 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 1]
                    + noise(&random, from: 12)
            }
        ),
        ("mDNS", { random, _ in [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0] + noise(&random, from: 12) }),
        ("NTP", { random, _ in [0xA3, 2, 6, 0xE8, 0, 0, 0, 9, 0, 0, 0, 9, 1, 2, 3, 4] + noise(&random, from: 16) }),
        (
            "uTP",
            { random, n in [[0x01, 0x11, 0x21, 0x31, 0x41].randomElement(using: &random)!, 0, 0x12, 0x34] + noise(&random, from: 4) }
        ),
        (
            "OpenVPN",
            { random, n in [0x48, 0, 0, 1, 0, 0, UInt8(truncatingIfNeeded: n >> 8), UInt8(truncatingIfNeeded: n)] + noise(&random, from: 8)
            }
        ),
        (
            "Mosh",
            { random, n in [0x80, 0, 0, 0, 0, 0, UInt8(truncatingIfNeeded: n >> 8), UInt8(truncatingIfNeeded: n)] + noise(&random, from: 8)
            }
        ),
        (
            "counter of a PC",
            { random, n in [0x90, 96, UInt8(truncatingIfNeeded: n), UInt8(truncatingIfNeeded: n >> 8)] + [UInt8](repeating: 5, count: 40) }
        ),
        (
            "channel data of noise",
            { random, _ in
                let inner = noise(&random, from: 4)
                return Bytes.channelData(inner, channel: UInt16.random(in: 0x4000...0x4FFF, using: &random))
            }
        ),
    ]

    private static func noise(_ random: inout SeededRandom, from start: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        let count = Int.random(in: 20...64, using: &random)
        while bytes.count < count { append(random.next(), &bytes) }
        return bytes
    }

    private static func append(_ word: UInt64, _ bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: UInt64(64), by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    func testNoOtherProtocolIsTakenForAConnection() {
        for seed in [1, 20_260_702] as [UInt64] {
            for (name, make) in Self.shapes {
                var random = SeededRandom(seed: seed), scene = Scene()
                scene.remote.port = 443
                for n in 0..<100_000 {
                    let payload = make(&random, n)
                    if n % 3 == 0 {
                        scene.send(payload, after: .microseconds(300))
                    } else {
                        scene.receive(payload, after: .microseconds(300))
                    }
                    if scene.detector.hasNews { break }
                }
                XCTAssertFalse(scene.isActive, "\(name), seed \(seed)")
                XCTAssertTrue(scene.questions().isEmpty, "\(name), seed \(seed)")
            }
        }
    }

    func testNoiseByTCPIsNoConnection() {
        for seed in [3, 20_260_703] as [UInt64] {
            var random = SeededRandom(seed: seed), scene = Scene()
            scene.remote.port = 12_000
            scene.segment([], isOutgoing: true, flags: .syn)
            for _ in 0..<100_000 {
                scene.segment(Self.noise(&random, from: 0), isOutgoing: Bool.random(using: &random), after: .microseconds(300))
            }
            XCTAssertFalse(scene.isActive, "seed \(seed)")
        }
    }

    func testNoiseDoesNotDriveOutAConnection() {
        var random = SeededRandom(seed: 5), scene = Scene()
        for n in 0..<10 { scene.receive(Bytes.rtp(n)) }
        for n in 0..<2000 {
            scene.receive([0x80, 96] + Self.noise(&random, from: 2), after: .microseconds(200))
            if n % 100 == 0 { scene.receive(Bytes.rtp(10 + n / 100)) }
        }
        XCTAssertTrue(scene.isActive)
        let remote = scene.remote
        for n in 0..<3000 {
            scene.remote.port = UInt16(10_000 + n)
            scene.receive(Bytes.rtp(0, ssrc: UInt32(n)), after: .microseconds(10))
        }
        XCTAssertGreaterThan(scene.detector.displaced, 2400)
        scene.remote = remote
        XCTAssertEqual(scene.detector.evidence(at: scene.now).connections, 1)
    }
}
