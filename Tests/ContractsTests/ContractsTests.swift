import Contracts
import Foundation
import Robot
import Teleop
import Wire
import XCTest

/// The wire forms of docs/teleop-protocol.md: golden files both ways, and what is refused.
final class ContractsTests: XCTestCase {
    // MARK: Client to robot

    func testTheGoldenMessagesOfClientsAreUnderstood() throws {
        func stamp(_ epoch: UInt32, _ sequence: UInt32, _ sent: Double, _ seen: UInt32, _ isHeld: Bool) -> DriveCommand.Stamp {
            DriveCommand.Stamp(epoch: epoch, sequence: sequence, sent: sent, seen: seen, isHeld: isHeld)
        }
        let expected: [String: ClientMessage] = [
            "control-drive": .drive(
                DriveCommand(.velocity(Velocity(vx: 0.4, vyaw: -0.2)), stamp: stamp(3, 17, 1234.5, 90000, true))),
            "control-drive-camera": .drive(
                DriveCommand(
                    .velocity(.zero), stamp: stamp(3, 18, 1267.8, 93000, false), camera: CameraAngles(pan: 0.3, tilt: -0.1))),
            "control-wheels": .drive(
                DriveCommand(.wheels(left: 0.5, right: -0.25), stamp: stamp(.max, .max, 0, 0, true))),
            "control-motor": .drive(DriveCommand(.wheels(left: 0.5, right: 1), stamp: nil)),
            "control-motor-stamped": .drive(DriveCommand(.wheels(left: 1, right: 1), stamp: stamp(1, 2, 3, 4, true))),
            "control-estop": .emergencyStop(nonce: nil), "control-ping": .ping(1234.5),
            "state-hello": .hello(name: "Ada", isBlind: false), "state-hello-blind": .hello(name: nil, isBlind: true),
            "state-lease-acquire": .lease(.acquire, nonce: 1), "state-lease-transfer": .lease(.transfer(to: SessionID(7)), nonce: 2),
            "state-action": .action(RobotAction(name: "light", argument: "#20a0ff"), epoch: 3, nonce: 3),
            "state-mode": .mode(.slow, epoch: 3, nonce: 4), "state-estop": .emergencyStop(nonce: 5),
            "state-clear": .clear(epoch: 4, nonce: 6),
        ]
        let files = try golden("client")
        XCTAssertEqual(Set(files.keys), Set(expected.keys))
        for (name, bytes) in files {
            let channel = ClientMessage.Channel(rawValue: String(name.prefix { $0 != "-" }))!
            let text = Array(bytes.utf8)
            XCTAssertEqual(try ClientMessage(parsing: text.span, on: channel), expected[name], name)
        }
    }

    func testWhatIsRefusedIsToldWithItsPlace() {
        let cases: [(String, ClientMessage.Channel, String)] = [
            ("", .control, "expected a JSON object"), ("[]", .control, "the value: expected object, got array"),
            ("{}", .control, "type: expected string, got nothing"),
            (#"{"type":"fly"}"#, .control, "type: expected one of drive, wheels, motor, estop, ping on this channel"),
            (#"{"type":"fly"}"#, .state, "type: expected one of drive"),
            (#"{"type":"clear","nonce":1,"epoch":1}"#, .control, "type: expected one of drive, wheels"),
            (#"{"type":"drive","epoch":1,"seq":1,"t":0,"hold":true}"#, .control, "vx: expected number, got nothing"),
            (
                #"{"type":"drive","epoch":-1,"seq":1,"t":0,"hold":true,"vx":0}"#, .control,
                "epoch: expected a whole number from 0 to 4294967295"
            ),
            (#"{"type":"drive","epoch":1,"seq":1.5,"t":0,"hold":true,"vx":0}"#, .control, "seq: expected whole number"),
            (#"{"type":"drive","epoch":1,"seq":1,"t":0,"hold":1,"vx":0}"#, .control, "hold: expected boolean, got number"),
            (#"{"type":"drive","epoch":1,"seq":1,"t":"now","hold":true,"vx":0}"#, .control, "t: expected number, got string"),
            (#"{"type":"motor","left":1,"right":1,"seq":4}"#, .control, "epoch: expected whole number, got nothing"),
            (#"{"type":"hello","view":"some"}"#, .state, "view: expected one of video, none"),
            (#"{"type":"lease","action":"steal","nonce":1}"#, .state, "action: expected one of acquire"),
            (#"{"type":"lease","action":"acquire"}"#, .state, "nonce: expected whole number, got nothing"),
            (#"{"type":"lease","action":"transfer","to":"7","nonce":1}"#, .state, "to: expected a session, like s3"),
            (#"{"type":"mode","name":"ludicrous","epoch":1,"nonce":1}"#, .state, "name: expected one of slow, normal, full"),
            (String(repeating: " ", count: 1025), .control, "control: expected a message of at most 1024 bytes, got 1025"),
        ]
        for (text, channel, message) in cases {
            let bytes = Array(text.utf8)
            XCTAssertThrowsError(try ClientMessage(parsing: bytes.span, on: channel), text) {
                XCTAssert("\($0)".hasPrefix(message), "\(text): \($0)")
            }
        }
    }

    func testWheelsBeyondTheirRangeAreLeftToTheGate() throws {
        let bytes = Array(#"{"type":"motor","left":3,"right":-1.01}"#.utf8)
        XCTAssertEqual(
            try ClientMessage(parsing: bytes.span, on: .control), .drive(DriveCommand(.wheels(left: 3, right: -1.01), stamp: nil)))
    }

    // MARK: Robot to client

    /// What was recorded stands for what was then, the rest for now; a lease that somebody held then is nobody's here.
    func testARecordingsTelemetryIsShownOnTodaysClock() {
        let ours: JSON = [
            "type": "telemetry", "time": 9000, "viewers": 2, "recording": false, "pose": ["x": 0], "counts": ["accepted": 0],
            "lease": ["state": "free", "yours": true, "holder": nil],
        ]
        let recorded: JSONObject = [
            "type": "telemetry", "time": 17, "viewers": 1, "recording": true, "pose": ["x": 4.5],
            "lease": ["state": "held", "yours": true, "holder": ["session": "s1", "name": "Ada"], "request": ["session": "s2"]],
        ]
        XCTAssertEqual(
            RobotMessage.telemetry(recorded: recorded, over: ours),
            [
                "type": "telemetry", "time": 9000, "viewers": 2, "recording": false, "pose": ["x": 4.5], "counts": ["accepted": 0],
                "lease": ["state": "held", "yours": false, "holder": ["session": "s1", "name": "Ada"], "request": nil],
            ])
    }

    /// `WALDO_WRITE_GOLDEN=1` writes them anew, to be read before they are committed.
    func testTheRobotsMessagesAreTheGoldenOnes() throws {
        let messages = try robotMessages()
        let files = try golden("robot")
        if ProcessInfo.processInfo.environment["WALDO_WRITE_GOLDEN"] != nil {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Resources/robot")
            for (name, message) in messages {
                try Data((message.description + "\n").utf8).write(to: folder.appendingPathComponent(name + ".json"))
            }
            return
        }
        XCTAssertEqual(Set(files.keys), Set(messages.keys))
        for (name, message) in messages {
            XCTAssertEqual(message.description + "\n", files[name], name)
        }
    }

    private func robotMessages() throws -> [String: JSON] {
        var now = Instant(nanoseconds: 12_345_600_000)
        var control = RobotControl(capabilities: .golden, profile: .lan, at: now)
        let ada = control.join(name: "Ada", rights: .supervise)!, bob = control.join(name: "Bob", rights: .viewer)!
        let eve = control.join(name: "Eve", rights: .operate)!
        try control.lease(.acquire, ada, at: now)
        try control.lease(.acquire, eve, at: now)
        control.captured(ticks: 1000, at: now - .milliseconds(52))
        for (sequence, speed) in [(UInt32(16), 0.0), (17, 0.9)] {
            now += .milliseconds(33)
            let stamp = DriveCommand.Stamp(
                epoch: 1, sequence: sequence, sent: Double(now.nanoseconds) / 1e6 - 77, seen: 1000, isHeld: true)
            control.drive(
                DriveCommand(.velocity(Velocity(vx: speed)), stamp: stamp), seenTicks: 1000, from: ada, at: now)
        }
        var telemetry = RobotTelemetry(time: now)
        telemetry.pose = (0.1, -0.25, 0.02)
        telemetry.velocity = Velocity(vx: 0.0512345)
        telemetry.commanded = Velocity(vx: 0.066)
        telemetry.battery = .init(level: 0.93, volts: 12.1, amperes: 1.4)
        telemetry.temperature = 31.5
        telemetry.acceleration = (0, 0, 9.81)
        telemetry.ranges = [2.1, 1.9, 4]
        telemetry.light = "#20a0ff"
        telemetry.completed = ["treat": 1, "sound": 2]
        func seen(by id: SessionID?) -> JSON {
            RobotMessage.telemetry(telemetry, control, for: id, isRecording: true, viewers: 3, at: now)
        }
        var messages: [String: JSON] = [
            "welcome": RobotMessage.welcome(ada, robot: "rover", control),
            "welcome-viewer": RobotMessage.welcome(bob, robot: "rover", control),
            "telemetry": seen(by: ada), "telemetry-viewer": seen(by: bob),
            "telemetry-none": RobotMessage.telemetry(nil, control, for: nil, isRecording: false, viewers: 0, at: now),
            "pong": RobotMessage.pong(1234.5, at: now), "error": RobotMessage.error("type: expected string, got nothing"),
            "ack": RobotMessage.ack(2, nil), "ack-refused": RobotMessage.ack(3, TeleopRefusal("not_holder", "take control first")),
            "stop": RobotMessage.stop(.silence, at: now), "estop": RobotMessage.emergencyStop(isLatched: true, by: "Bob", at: now),
        ]
        control.emergencyStop(by: "Bob", at: now)
        messages["telemetry-latched"] = seen(by: ada)
        return messages
    }

    // MARK: Files

    private func golden(_ folder: String) throws -> [String: String] {
        let place = Bundle.module.resourceURL!.appendingPathComponent(folder)
        var files: [String: String] = [:]
        for file in try FileManager.default.contentsOfDirectory(at: place, includingPropertiesForKeys: nil) {
            files[file.deletingPathExtension().lastPathComponent] = try String(contentsOf: file, encoding: .utf8)
        }
        return files
    }
}

extension RobotCapabilities {
    fileprivate static let golden = RobotCapabilities(
        model: "Model", drive: .differential(DifferentialDrive(track: 0.4, wheelSpeed: 1)),
        limits: DriveLimits(maximum: Velocity(vx: 1, vyaw: 2), acceleration: Velocity(vx: 2, vyaw: 8)), deceleration: 4,
        cameras: [
            CameraCapability(name: "front", width: 1280, height: 720, rate: 30, reach: CameraAngles(pan: 1.2, tilt: 0.6)),
            CameraCapability(name: "room", width: 640, height: 480, rate: 15),
        ], hasMicrophone: true, hasSpeaker: true, hasLights: true,
        actions: [
            ActionCapability(name: "treat", title: "Drop a treat"), ActionCapability(name: "sound", title: "Sound", choices: ["beep"]),
        ],
        rangeBearings: [-0.5, 0, 0.5], rangeLimit: 4)
}
