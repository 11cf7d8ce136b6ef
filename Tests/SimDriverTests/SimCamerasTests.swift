import Glibc
import Media
import Reactor
import Robot
import SimDriver
import TestSupport
import Wire
import XCTest

final class SimCamerasTests: XCTestCase {
    func testPicturesAreUprightAndNotMirroredAndInTheRightColours() throws {
        let sim = try Arena.sim(hasCameras: true)
        defer { sim.shutDown() }
        let picture = try sim.nextPicture("front")
        XCTAssertEqual(picture.width, 320)
        let left = picture.mean(0..<20, 35..<50), right = picture.mean(80..<100, 35..<50), top = picture.mean(40..<60, 5..<12)
        XCTAssertGreaterThan(left.red, 160, "red is to the left: \(left)")
        XCTAssertGreaterThan(right.blue, 160, "blue is to the right: \(right)")
        XCTAssertLessThan(top.red, 110, "green is above: \(top)")
        XCTAssertLessThan(top.blue, 110, "green is above: \(top)")
        let floor = picture.mean(40..<60, 80..<100)
        XCTAssertEqual(floor.blue, 128, accuracy: 4, "the floor is grey: \(floor)")
        XCTAssertEqual(floor.red, 128, accuracy: 4, "the floor is grey: \(floor)")
    }

    func testTheCameraLooksWhereItIsTurned() throws {
        let sim = try Arena.sim(hasCameras: true)
        defer { sim.shutDown() }
        _ = sim.drive(.zero, camera: CameraAngles(pan: 0.45), from: 1, until: "turned left") { $0.camera.pan > 0.43 }
        let picture = try sim.nextPicture("front")
        XCTAssertGreaterThan(picture.mean(45..<55, 35..<50).red, 160, "red is now in the middle")
    }

    func testWhenNobodyWatchesOnePictureASecondIsDrawn() throws {
        let sim = try Arena.sim(hasCameras: true)
        defer { sim.shutDown() }
        let feed = sim.cameras[0]
        sim.wait(for: "a first picture") { _ in feed.count >= 1 }
        let began = MonotonicClock.now(), first = feed.count
        sim.wait(for: "two more") { _ in feed.count >= first + 2 }
        let seconds = (MonotonicClock.now() - began).seconds
        XCTAssertLessThanOrEqual(Double(feed.count - first), seconds + 1.1)
        let number = feed.subscribe { _ in }
        let watched = feed.count
        sim.wait(for: "many while somebody watches") { _ in feed.count >= watched + 10 }
        feed.unsubscribe(number)
    }

    func testMoreViewersAreNoMorePictures() throws {
        let sim = try Arena.sim(hasCameras: true)
        defer { sim.shutDown() }
        let feed = sim.cameras[0], seen = (0..<5).map { _ in Log<Instant>() }
        let numbers = seen.map { log in feed.subscribe { log.add($0.captured) } }
        sim.wait(for: "ten pictures") { _ in seen.allSatisfy { $0.all.count >= 10 } }
        for number in numbers { feed.unsubscribe(number) }
        XCTAssertEqual(Set(seen.map { $0.all.prefix(10).last! }).count, 1, "all are shown the same")
        for times in seen.map(\.all) { XCTAssertEqual(times, Array(Set(times)).sorted(), "each picture is younger than the one before") }
    }

    func testThePicturesMomentIsThatOfTheWorld() throws {
        let sim = try Arena.sim(hasCameras: true)
        defer { sim.shutDown() }
        _ = try sim.nextPicture("room")
        let newest = try XCTUnwrap(sim.camera("room")?.newest)
        let age = MonotonicClock.now() - newest.captured, wallAge = MonotonicClock.unixNanoseconds() - newest.unixNanoseconds
        XCTAssertGreaterThan(age, .zero)
        XCTAssertEqual(age.seconds, Double(wallAge) / 1e9, accuracy: 0.05)
    }

    func testHighQualityDrawsToo() throws {
        let sim = try SimDriver(SimOptions(quality: .high, width: 320, height: 240))
        defer { sim.shutDown() }
        let picture = try sim.nextPicture("front")
        XCTAssertGreaterThan(picture.mean(0..<100, 0..<100).luma, 60)
        XCTAssertFalse(sim.renderer.isEmpty)
    }
}
