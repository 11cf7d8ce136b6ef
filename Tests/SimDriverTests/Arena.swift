import Glibc
import Media
import Reactor
import Robot
import SimDriver
import Wire
import XCTest

/// A plain world for tests: a floor, a wall 3 m ahead of the rover, red to its left, blue to its right, green above. No dog, no dock.
enum Arena {
    static var worlds: String { SimDriver.home.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } }

    static func text(rover: String = "<include file=\"\(worlds)/rover.xml\"/>", extra: String = "", room: String = "room") -> String {
        """
        <mujoco>
          <compiler angle="radian" autolimits="true"/>
          <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="8"/>
          <visual><map znear="0.005" zfar="10"/><headlight ambient="0.6 0.6 0.6" diffuse="0.4 0.4 0.4"/></visual>
          <statistic extent="4"/>
          \(rover)
          <worldbody>
            <geom type="plane" size="8 8 1" rgba="0.5 0.5 0.5 1"/>
            <geom type="box" size="0.1 2 0.5" pos="3.1 0 0.5" rgba="0.7 0.7 0.7 1"/>
            <geom type="box" size="0.1 0.3 0.5" pos="2.5 1.2 0.5" rgba="1 0 0 1"/>
            <geom type="box" size="0.1 0.3 0.5" pos="2.5 -1.2 0.5" rgba="0 0 1 1"/>
            <geom type="box" size="0.1 2 0.2" pos="2.9 0 1.35" rgba="0 1 0 1"/>
            <camera name="\(room)" pos="-0.9 0 0.8" xyaxes="0 -1 0 0.6 0 0.8"/>
            <site name="start" pos="0 0 0"/>
            \(extra)
          </worldbody>
        </mujoco>
        """
    }

    /// Writes it down, for as long as `body` runs.
    static func with<Result>(_ text: String = text(), _ body: (String) throws -> Result) throws -> Result {
        let path = try write(text)
        defer { unsafe unlink(path) }
        return try body(path)
    }

    static func write(_ text: String) throws -> String {
        let path = "/tmp/waldo-arena-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).xml"
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { throw SystemError("open", path) }
        defer { close(file) }
        guard unsafe Glibc.write(file, text, text.utf8.count) == text.utf8.count else { throw SystemError("write", path) }
        return path
    }

    /// A rover in the arena; nothing is drawn unless asked.
    static func sim(_ text: String = text(), hasCameras: Bool = false) throws -> SimDriver {
        try with(text) { try SimDriver(SimOptions(world: $0, width: 320, height: 240, hasCameras: hasCameras)) }
    }
}

extension SimDriver {
    /// Says again what the robot shall do until the condition holds; ten seconds at most.
    func drive(
        _ velocity: Velocity, camera: CameraAngles? = nil, from first: UInt64, until what: String, file: StaticString = #filePath,
        line: UInt = #line, _ condition: (RobotTelemetry) -> Bool
    ) -> UInt64 {
        var number = first
        for _ in 0..<1000 {
            apply(
                Setpoint(number: number, velocity: velocity, camera: camera, validUntil: MonotonicClock.now() + Duration.milliseconds(500)))
            usleep(10_000)
            if condition(telemetry) { return number }
            number += 1
        }
        XCTFail("expected within 10 s: \(what); got \(telemetry)", file: file, line: line)
        return number
    }

    func wait(for what: String, file: StaticString = #filePath, line: UInt = #line, _ condition: (RobotTelemetry) -> Bool) {
        for _ in 0..<2000 {
            if condition(telemetry) { return }
            usleep(5000)
        }
        XCTFail("expected within 10 s: \(what); got \(telemetry)", file: file, line: line)
    }

    /// The first picture that a camera makes after this.
    func nextPicture(_ camera: String, file: StaticString = #filePath, line: UInt = #line) throws -> Picture {
        let feed = try XCTUnwrap(self.camera(camera), file: file, line: line)
        let number = feed.subscribe { _ in }
        defer { feed.unsubscribe(number) }
        // The one under way may show what was before.
        let seen = feed.count
        for _ in 0..<2000 where feed.count < seen + 2 { usleep(5000) }
        XCTAssertGreaterThanOrEqual(feed.count, seen + 2, "no picture within 10 s", file: file, line: line)
        return try XCTUnwrap(feed.newest, file: file, line: line).picture
    }
}

extension RobotTelemetry {
    var stands: Bool { commanded.isZero && abs(velocity.vx) < 0.02 && abs(velocity.vyaw) < 0.05 }
}

extension Picture {
    /// The mean colours of a part, as Y, Cb, Cr; in hundredths of the picture's sides.
    func mean(_ columns: Range<Int>, _ rows: Range<Int>) -> (luma: Int, blue: Int, red: Int) {
        var sums = (0, 0, 0), count = 0
        let half = width / 2
        for y in (rows.lowerBound * height / 200)..<(rows.upperBound * height / 200) {
            for x in (columns.lowerBound * width / 200)..<(columns.upperBound * width / 200) {
                sums.0 += Int(bytes[2 * y * width + 2 * x])
                sums.1 += Int(bytes[planes.blue + y * half + x])
                sums.2 += Int(bytes[planes.red + y * half + x])
                count += 1
            }
        }
        return (sums.0 / count, sums.1 / count, sums.2 / count)
    }
}
