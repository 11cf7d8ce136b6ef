import Service
import Wire
import XCTest

final class MonitorProgramTests: XCTestCase {
    func testItsArgumentsSayPlaceAndNamespace() {
        XCTAssertEqual(
            MonitorProgram.arguments(port: 8765, namespace: "teleoperation", level: .info),
            ["--bind", "127.0.0.1", "--websocket-port", "8765", "--shm-namespace", "teleoperation", "--log-level", "INFO"])
        XCTAssertEqual(MonitorProgram.arguments(port: 1, namespace: nil, level: .trace).suffix(3), ["--no-shm", "--log-level", "DEBUG"])
    }

    func testLinesOfItsLogKeepTheirLevel() {
        for (line, level, words) in [
            (
                "2026-11-20T16:04:14.123Z warning monitor: packets are not seen reason=\"no right\"", "warning",
                "packets are not seen reason=\"no right\""
            ),
            ("2026-11-20T16:04:14.123Z info monitor: it watches", "info", "it watches"),
            ("waldo-monitor: Port 8765 is already in use", "info", "waldo-monitor: Port 8765 is already in use"),
            ("Watching this machine (lekiwi): http://127.0.0.1:8765/", "info", "Watching this machine (lekiwi): http://127.0.0.1:8765/"),
            ("", "info", ""),
        ] {
            let found = MonitorProgram.words(of: line)
            XCTAssertEqual(found.0.name, level, line)
            XCTAssertEqual(found.1, words, line)
        }
    }
}
