import Usage
import Wire
import XCTest

/// Section 2: the configuration file.
final class MonitorConfigurationTests: XCTestCase {
    private func parse(_ text: String) throws -> MonitorConfiguration { try MonitorConfiguration(parsing: Array(text.utf8).span) }

    private func message(_ text: String) -> String {
        do {
            _ = try parse(text)
            return "taken"
        } catch { return "\(error)" }
    }

    func testTheFileOfTheSpecificationSaysTheDefaults() throws {
        let text = """
            {"robot_type":"lekiwi","websocket_port":8765,"shm_namespace":"teleoperation","log_level":"INFO",
             "detection":{"confidence_threshold":70,"detection_interval":0.1,"update_interval":0.5},
             "ports":{"zmq":{"control_commands":5555,"state_feedback":5556,"video_stream":5557,"telemetry":5558,"joystick":5559},
                      "webrtc":{"stun":[3478,19302],"turn":[3478,5349],"media":[10000,60000]}},
             "performance":{"buffer_size":65536,"max_clients":100,"metrics_window":60,"alert_cooldown":30}}
            """
        XCTAssertEqual(try parse(text), MonitorConfiguration())
        XCTAssertEqual(try parse("{}"), MonitorConfiguration())
    }

    func testEveryKeyIsRead() throws {
        let read = try parse(
            """
            {"robot_type":"xle","websocket_port":9000,"shm_namespace":"other.one","log_level":"DEBUG",
             "detection":{"confidence_threshold":60,"corroborated_threshold":33,"detection_interval":0.02,"update_interval":60},
             "ports":{"zmq":{"control_commands":"10.0.0.7:6000","state_feedback":null,"video_stream":"[fe80::1]:7000","telemetry":"robot:1"},
                      "webrtc":{"stun":[1],"turn":[],"media":{"from":2000,"to":3000}}},
             "performance":{"buffer_size":4096,"max_clients":1000,"metrics_window":5,"alert_cooldown":0},
             "alerts":{"fps":10,"latency_ms":250.5},
             "plugins":[{"name":"custom","exec":["python3","x.py"],"restart":false,"env":{"A":"b"}}],
             "detectors":["zmq","input"]}
            """)
        XCTAssertEqual(read.robotType, .xle)
        XCTAssertEqual(read.webSocketPort, 9000)
        XCTAssertEqual(read.detection.corroboratedThreshold, 33)
        XCTAssertEqual(read.detection.detectionInterval, .milliseconds(20))
        XCTAssertEqual(read.zmq.controlCommands, MonitorConfiguration.ZMQEndpoint(host: "10.0.0.7", port: 6000))
        XCTAssertNil(read.zmq.stateFeedback)
        XCTAssertEqual(read.zmq.videoStream, MonitorConfiguration.ZMQEndpoint(host: "fe80::1", port: 7000))
        XCTAssertEqual(read.zmq.joystick?.port, 5559)
        XCTAssertEqual(read.webrtc.media, 2000..<3000)
        XCTAssertEqual(read.performance.alertCooldown, .zero)
        XCTAssertEqual(read.alerts.fps, 10)
        XCTAssertEqual(read.plugins.first?.exec, ["python3", "x.py"])
        XCTAssertEqual(read.plugins.first?.restarts, false)
        XCTAssertEqual(read.detectors, [.zmq, .input])
    }

    /// Each names the place, what is allowed there and what came.
    func testWhatIsWrongIsSaid() {
        let cases: [(String, [String])] = [
            ("{", ["JSON at byte"]), ("[]", ["expected object"]), (#"{"robot_typ":"xle"}"#, ["robot_typ", "robot_type, websocket_port"]),
            (#"{"robot_type":"spot"}"#, ["robot_type", "lekiwi, xle"]), (#"{"websocket_port":0}"#, ["websocket_port", "1 to 65535", "0"]),
            (#"{"websocket_port":"8765"}"#, ["websocket_port", "whole number"]),
            (#"{"shm_namespace":"a/b"}"#, ["shm_namespace", "letters"]),
            (#"{"log_level":"debug"}"#, ["log_level", "DEBUG, INFO"]),
            (#"{"detection":{"detection_interval":0.01}}"#, ["detection.detection_interval", "0.02 to 10"]),
            (#"{"detection":{"confidence":1}}"#, ["detection.confidence", "confidence_threshold"]),
            (#"{"ports":{"zmq":{"joystick":"host"}}}"#, ["ports.zmq.joystick", "host:port"]),
            (#"{"ports":{"webrtc":{"media":[5,4]}}}"#, ["ports.webrtc.media", "lower"]),
            (#"{"performance":{"max_clients":1001}}"#, ["performance.max_clients", "1 to 1000"]),
            (#"{"alerts":{"fps":-1}}"#, ["alerts.fps"]),
            (#"{"plugins":[{"name":"zmq","exec":["x"]}]}"#, ["plugins[0].name", "none of webrtc"]),
            (#"{"plugins":[{"name":"a","exec":[]}]}"#, ["plugins[0].exec", "program"]),
            (#"{"detectors":["radar"]}"#, ["detectors[0]", "webrtc"]),
        ]
        for (text, parts) in cases {
            let message = message(text)
            for part in parts { XCTAssertTrue(message.contains(part), "\(text): \(message) lacks \(part)") }
        }
    }
}
