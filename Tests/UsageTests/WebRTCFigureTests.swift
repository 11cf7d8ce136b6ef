import Usage
import Wire
import XCTest

/// What is measured of active connections (section 8.1, last line).
final class WebRTCFigureTests: XCTestCase {
    /// 30 frames a second of `perFrame` packets each, for `seconds`; packets for which `drop` holds are lost.
    private func video(
        _ scene: inout Scene, seconds: Int = 3, perFrame: Int = 3, size: Int = 1000, first: Int = 0, drop: (Int) -> Bool = { _ in false }
    ) {
        for frame in 0..<(30 * seconds) {
            for n in 0..<perFrame {
                let number = first + frame * perFrame + n
                let time = n == 0 ? Duration.microseconds(33_333) : .zero
                if drop(number) {
                    scene.wait(time)
                } else {
                    scene.receive(Bytes.rtp(number, timestamp: frame * 3000, size: size), after: time)
                }
            }
        }
    }

    func testRatesOfAVideoStream() throws {
        var scene = Scene()
        video(&scene)
        let figures = scene.detector.figures(at: scene.now)
        XCTAssertEqual(figures.megabitsPerSecond, 0.72, accuracy: 0.03)
        XCTAssertEqual(try XCTUnwrap(figures.framesPerSecond), 30, accuracy: 1)
        XCTAssertTrue(figures.hasVideo)
        XCTAssertEqual(figures.lossPct, 0)
        XCTAssertNil(figures.roundTripMs)
        scene.wait(.seconds(3))
        XCTAssertEqual(scene.detector.figures(at: scene.now), .init(), "of active connections")
    }

    func testWhatIsVideo() {
        let cases: [(String, Int, Int, Bool)] = [
            ("large packets", 1, 1000, true), ("several packets a frame", 2, 100, true), ("sound", 1, 100, false),
        ]
        for (name, perFrame, size, expected) in cases {
            var scene = Scene()
            video(&scene, perFrame: perFrame, size: size)
            XCTAssertEqual(scene.detector.figures(at: scene.now).hasVideo, expected, name)
        }
    }

    func testLossIsWhatDoesNotCome() throws {
        var scene = Scene()
        video(&scene) { $0 % 10 == 5 }
        XCTAssertEqual(try XCTUnwrap(scene.detector.figures(at: scene.now).lossPct), 10, accuracy: 1.5)
        var wrapped = Scene()
        video(&wrapped, first: 65_500) { $0 % 20 == 5 }
        XCTAssertEqual(try XCTUnwrap(wrapped.detector.figures(at: wrapped.now).lossPct), 5, accuracy: 1.5)
        var burst = Scene()
        video(&burst) { (200..<220).contains($0) }
        XCTAssertEqual(try XCTUnwrap(burst.detector.figures(at: burst.now).lossPct), 22, accuracy: 2.5)
        XCTAssertNil(Scene().detector.figures(at: .zero).lossPct)
    }

    func testWhatComesLateOrTwiceIsNotLost() throws {
        var scene = Scene()
        for n in 0..<300 {
            let number = n % 6 == 0 ? n + 2 : n % 6 == 2 ? n - 2 : n
            scene.receive(Bytes.rtp(number))
            if n % 5 == 0 { scene.receive(Bytes.rtp(number)) }
        }
        XCTAssertTrue(scene.isActive)
        XCTAssertEqual(scene.detector.figures(at: scene.now).lossPct, 0)
        XCTAssertFalse(scene.detector.figures(at: scene.now).hasVideo && scene.detector.figures(at: scene.now).framesPerSecond! > 10)
    }

    func testWhatThisHostSendsHasNoLossHere() {
        var scene = Scene()
        for n in 0..<200 { scene.send(Bytes.rtp(n * 2)) }
        XCTAssertTrue(scene.isActive)
        XCTAssertNil(scene.detector.figures(at: scene.now).lossPct)
    }

    func testADatagramNotYetCutApartIsSeveralPackets() {
        var scene = Scene.onLoopback()
        var number = 0
        for n in 0..<100 {
            let packets = 1 + n % 20
            scene.receive(Bytes.rtp(number, size: packets * 1100))
            number += packets
        }
        XCTAssertTrue(scene.isActive)
        XCTAssertEqual(scene.detector.figures(at: scene.now).lossPct, 0)
        // Once it has sent one: frames of two small packets, and packets that ask for bandwidth, are joined as well.
        for _ in 0..<100 {
            scene.receive(Bytes.rtp(number, size: 582))
            number += 2
        }
        XCTAssertEqual(scene.detector.figures(at: scene.now).lossPct, 0)
        var first = Scene()
        for n in 0..<5 { first.send(Bytes.rtp(n * 20, size: 20_000)) }
        XCTAssertTrue(first.isActive, "five datagrams are ten packets")
    }

    func testRoundTripsAreThoseOfThisHostsQuestions() {
        var scene = Scene()
        scene.receive(Bytes.stun(0x0001, id: 9))
        scene.send(Bytes.stun(0x0101, id: 9), after: .microseconds(50))
        for n in 0..<5 { scene.receive(Bytes.rtp(n)) }
        XCTAssertTrue(scene.isActive)
        XCTAssertNil(scene.detector.figures(at: scene.now).roundTripMs, "answering is no round trip")
        scene.bind(roundTrip: .milliseconds(30))
        XCTAssertEqual(scene.detector.figures(at: scene.now).roundTripMs, 30)
        scene.send(Bytes.stun(0x0001, id: 10))
        scene.send(Bytes.stun(0x0001, id: 10), after: .milliseconds(100))
        scene.receive(Bytes.stun(0x0101, id: 10), after: .milliseconds(30))
        XCTAssertEqual(scene.detector.figures(at: scene.now).roundTripMs, 30, "nobody knows which of the two was answered")
        let remote = scene.remote
        scene.remote.port = 50_001
        scene.bind(roundTrip: .milliseconds(50), id: 20)
        for n in 0..<5 { scene.receive(Bytes.rtp(n)) }
        scene.remote = remote
        scene.receive(Bytes.rtp(9))
        XCTAssertEqual(scene.detector.figures(at: scene.now).roundTripMs, 40, "the mean of both connections")
    }
}
