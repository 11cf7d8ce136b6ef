import Glibc
import Media
import Reactor
import Robot
import SimDriver
import TestSupport
import Wire
import XCTest

final class SimActionsTests: XCTestCase {
    func testATreatFallsAndLies() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let held = try XCTUnwrap(sim.place(of: "treat_0"))
        XCTAssertGreaterThan(held.z, 0.1, "in the hopper")
        try sim.perform(RobotAction(name: "treat"))
        sim.wait(for: "it lies") { $0.completed["treat"] == 1 }
        let place = try XCTUnwrap(sim.place(of: "treat_0"))
        XCTAssertEqual(place.z, 0.021, accuracy: 0.01)
        XCTAssertGreaterThan(place.x, 0.15, "in front of the robot")
        XCTAssertGreaterThan(try XCTUnwrap(sim.place(of: "treat_1")).z, 0.1, "the next one waits")
    }

    func testTreatsComeBackIntoTheHopperWhenAllLieAbout() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        for count in 1...6 {
            for _ in 0..<500 {
                if (try? sim.perform(RobotAction(name: "treat"))) != nil { break }
                usleep(10_000)
            }
            sim.wait(for: "\(count) treats") { ($0.completed["treat"] ?? 0) >= count }
        }
    }

    func testTheHopperTravelsWithTheRobot() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        _ = sim.drive(Velocity(vx: 0.5), from: 1, until: "0.5 m driven") { $0.pose.x > 0.5 }
        let treat = try XCTUnwrap(sim.place(of: "treat_0")), rover = try XCTUnwrap(sim.place(of: "rover"))
        XCTAssertLessThan(abs(treat.x - rover.x), 0.1)
    }

    func testWhatCannotBeDoneIsRefusedWithTheReason() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let refusals: [(RobotAction, String)] = [
            (RobotAction(name: "dance"), "action: expected one of treat, light, sound, got dance"),
            (RobotAction(name: "light", argument: "red"), "argument: expected a colour #rrggbb, got red"),
            (RobotAction(name: "light", argument: "#12345"), "argument: expected a colour #rrggbb, got #12345"),
            (RobotAction(name: "light", argument: "#12é45"), "argument: expected a colour #rrggbb, got #12é45"),
            (RobotAction(name: "sound"), "argument: expected beep or whistle, got nothing"),
            (RobotAction(name: "treat", argument: "two"), "argument: expected nothing, got two"),
        ]
        for (action, reason) in refusals {
            XCTAssertThrowsError(try sim.perform(action)) { XCTAssertEqual("\($0)", reason) }
        }
        try sim.perform(RobotAction(name: "treat"))
        XCTAssertThrowsError(try sim.perform(RobotAction(name: "treat"))) {
            guard case RobotActionError.notNow = $0 else { return XCTFail("expected notNow, got \($0)") }
        }
    }

    /// The control loop takes them at its next step, some milliseconds later: hardly ever between the two calls.
    func testAStopVoidsWhatHasNotBegun() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        for number in UInt64(1)...200 {
            try sim.perform(RobotAction(name: "sound", argument: "beep"))
            sim.stop(after: number)
        }
        try sim.perform(RobotAction(name: "light", argument: "#ff0000"))
        sim.wait(for: "the light") { $0.completed["light"] == 1 }
        XCTAssertLessThan(sim.telemetry.completed["sound"] ?? 0, 100)
    }

    func testTheLightIsToldAndSeen() throws {
        let sim = try Arena.sim(hasCameras: true)
        defer { sim.shutDown() }
        XCTAssertEqual(sim.telemetry.light ?? "#20a0ff", "#20a0ff")
        var colours: [(blue: Int, red: Int)] = []
        for colour in ["#ff0000", "#0000FF"] {
            try sim.perform(RobotAction(name: "light", argument: colour))
            sim.wait(for: colour) { $0.light == colour.lowercased() }
            // The rover, from behind.
            let mean = try sim.nextPicture("room").mean(30..<70, 60..<100)
            colours.append((mean.blue, mean.red))
        }
        XCTAssertGreaterThan(colours[0].red, colours[1].red + 3, "red is redder: \(colours)")
        XCTAssertGreaterThan(colours[1].blue, colours[0].blue + 3, "blue is bluer: \(colours)")
        XCTAssertEqual(sim.telemetry.completed["light"], 2)
    }

    func testTheMicrophoneHearsTheRobotsOwnSounds() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let blocks = Log<CapturedSound>()
        let number = sim.microphone.subscribe { blocks.add($0) }
        defer { sim.microphone.unsubscribe(number) }
        sim.wait(for: "a level") { $0.microphoneLevel > 0 }
        XCTAssertLessThan(sim.telemetry.microphoneLevel, 0.05, "a quiet room")
        try sim.perform(RobotAction(name: "sound", argument: "beep"))
        sim.wait(for: "the beep") { $0.microphoneLevel > 0.1 }
        XCTAssertTrue(blocks.all.allSatisfy { $0.samples.count == 960 })
        let times = blocks.all.map(\.captured)
        XCTAssertEqual(times, times.sorted())
        XCTAssertEqual(sim.telemetry.completed["sound"], 1)
    }

    func testWhatIsSaidThroughTheSpeakerIsMeasuredAndKept() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        for block in 0..<600 { sim.hear([Int16](repeating: block < 100 ? 1 : 16_384, count: 960)) }
        sim.wait(for: "half of full scale") { abs($0.speakerLevel - 0.5) < 0.01 }
        XCTAssertEqual(sim.heard.count, 480_000)
        XCTAssertEqual(sim.heard.first, 16_384, "the last ten seconds of twelve")
        sim.wait(for: "silence again") { $0.speakerLevel == 0 }
    }
}
