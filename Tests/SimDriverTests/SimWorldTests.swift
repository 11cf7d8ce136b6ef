import Glibc
import Robot
import SimDriver
import XCTest

final class SimWorldTests: XCTestCase {
    private func failure(_ text: String, file: StaticString = #filePath, line: UInt = #line) throws -> String {
        try Arena.with(text) { path in
            do {
                try SimDriver(SimOptions(world: path, hasCameras: false)).shutDown()
                XCTFail("expected an error", file: file, line: line)
                return ""
            } catch { return "\(error)".replacing(path, with: "FILE") }
        }
    }

    func testTheRoomThatComesWithWaldoHasEverything() throws {
        let sim = try SimDriver(SimOptions(hasCameras: false))
        defer { sim.shutDown() }
        XCTAssertEqual(sim.capabilities.model, "Waldo Rover")
        XCTAssertEqual(sim.capabilities.actions.map(\.name), ["treat", "light", "sound"])
        guard case .differential(let drive) = sim.capabilities.drive else { return XCTFail("expected two wheels") }
        XCTAssertEqual(drive.track, 0.216, accuracy: 0.001)
        sim.wait(for: "time") { _ in sim.statistics.steps > 500 }
        XCTAssertEqual(sim.statistics.resets, 0)
        XCTAssertTrue(sim.telemetry.stands, "\(sim.telemetry)")
    }

    func testAFileThatIsNotThereIsTold() throws {
        XCTAssertThrowsError(try SimDriver(SimOptions(world: "/nowhere/moon.xml"))) {
            XCTAssertTrue("\($0)".hasPrefix("world /nowhere/moon.xml: expected an MJCF file that MuJoCo can load: "), "\($0)")
        }
    }

    func testBrokenTextIsToldWithItsLine() throws {
        for text in [
            "", "not XML", "<mujoco><worldbody></mujoco>", "<mujoco><worldbody><geom size=\"-1\"/></worldbody></mujoco>", "<room/>",
        ] {
            let told = try failure(text)
            XCTAssertTrue(told.hasPrefix("world FILE: expected an MJCF file that MuJoCo can load: "), told)
            XCTAssertGreaterThan(told.count, 60, "MuJoCo's own reason: \(told)")
        }
    }

    func testWhatIsMissingIsNamed() throws {
        let cases = [
            (Arena.text(rover: ""), "a body named rover (the robot)"),
            (Arena.text(room: "elsewhere"), "a camera named room (a view of the whole room)"),
            (
                Arena.text(extra: #"<body name="dog" mocap="true"><geom size="0.1"/></body>"#),
                "a site named dog_path_0 (at least two places for the dog to walk between)"
            ),
        ]
        for (text, missing) in cases {
            let told = try failure(text)
            XCTAssertTrue(told.hasPrefix("world FILE: expected \(missing), found none. "), told)
        }
    }

    func testWhatIsSomethingElseIsTold() throws {
        XCTAssertEqual(
            try failure(Arena.text(rover: #"<worldbody><body name="rover"><geom size="0.1"/></body></worldbody>"#)),
            "world FILE: body rover: expected a <freejoint/> as its first joint, got no joint. worlds/README.md says what a world must hold."
        )
        XCTAssertEqual(
            try failure(Arena.text(extra: #"<body name="dog"><freejoint/><geom size="0.1"/></body>"#)),
            "world FILE: body dog: expected mocap=\"true\", got a body that moves by itself. worlds/README.md says what a world must hold.")
    }

    func testWithoutItsLibraryTheRobotIsRefusedAndTheProcessGoesOn() throws {
        unsafe setenv("WALDO_MUJOCO", "/nowhere/libmujoco.so", 1)
        defer { unsafe unsetenv("WALDO_MUJOCO") }
        XCTAssertThrowsError(try SimDriver(SimOptions(hasCameras: false))) {
            XCTAssertEqual($0 as? SimError, .noPhysics(looked: ["/nowhere/libmujoco.so"]))
            XCTAssertTrue("\($0)".contains("Run scripts/setup"), "\($0)")
        }
    }

    func testSizesOfPicturesAreLimited() throws {
        for (width, height) in [(0, 0), (63, 64), (641, 480), (8192, 480)] {
            XCTAssertThrowsError(try SimDriver(SimOptions(width: width, height: height)))
        }
    }
}
