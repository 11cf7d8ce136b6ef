import Glibc
import Robot
import SimDriver
import XCTest

final class SimDogTests: XCTestCase {
    private func arena(path: [(Double, Double)]) -> String {
        let sites = path.enumerated().map { "<site name=\"dog_path_\($0)\" pos=\"\($1.0) \($1.1) 0\"/>" }.joined()
        let both = "<include file=\"\(Arena.worlds)/rover.xml\"/><include file=\"\(Arena.worlds)/dog.xml\"/>"
        return Arena.text(rover: both, extra: sites)
    }

    func testTheDogBarksWhenItIsNear() throws {
        let sim = try Arena.sim(arena(path: [(0.9, 0.3), (0.9, -0.3)]))
        defer { sim.shutDown() }
        sim.wait(for: "a bark") { _ in sim.statistics.barks >= 1 }
        sim.wait(for: "it is heard") { $0.microphoneLevel > 0.05 }
    }

    func testTheDogIsQuietWhenItIsFar() throws {
        let sim = try Arena.sim(arena(path: [(-3, 3), (-4, 3)]))
        defer { sim.shutDown() }
        sim.wait(for: "some time") { _ in sim.statistics.steps > 500 }
        XCTAssertEqual(sim.statistics.barks, 0)
    }

    func testTheDogEatsATreatThatItCanReachAndTheHopperIsFullAgain() throws {
        let sim = try Arena.sim(arena(path: [(1.9, 0.2), (1.9, -0.1)]))
        defer { sim.shutDown() }
        try sim.perform(RobotAction(name: "treat"))
        sim.wait(for: "it lies") { $0.completed["treat"] == 1 }
        // It looks about first, for some seconds.
        for _ in 0..<3 where (sim.place(of: "treat_0")?.z ?? 1) < 0.1 {
            for _ in 0..<1000 where (sim.place(of: "treat_0")?.z ?? 1) < 0.1 { usleep(10_000) }
        }
        XCTAssertGreaterThan(try XCTUnwrap(sim.place(of: "treat_0")).z, 0.1, "eaten within 30 s")
    }

    func testTheDogDoesNotWalkThroughTheRobot() throws {
        // The robot stands in the middle of its way.
        let sim = try Arena.sim(arena(path: [(0.8, 0), (-0.8, 0)]))
        defer { sim.shutDown() }
        sim.wait(for: "three seconds") { _ in sim.statistics.steps > 1500 }
        let place = try XCTUnwrap(sim.place(of: "rover"))
        XCTAssertLessThan(abs(place.x) + abs(place.y), 0.05, "it was not pushed: \(place)")
    }
}
