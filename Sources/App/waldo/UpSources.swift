import CameraDriver
import Media
import Reactor
import Robot
import Service
import Wire

/// `--camera` and `--microphone`: the same robot with other eyes and ears.
func withSources(_ robot: RobotUnit, _ settings: Settings, _ log: Logger) -> RobotUnit {
    guard !sourceNames(settings).isEmpty else { return robot }
    #if GStreamer
        var unit = robot
        var source = "", endings: [@Sendable () -> Void] = []
        let front = robot.cameras.first?.name ?? "front"
        do throws(CameraError) {
            if let pipeline = settings.text("camera") {
                source = "\(settings.source("camera"))"
                let camera = try CameraSource(name: front, pipeline: pipeline, log: log)
                unit.cameras.replaceSubrange(..<min(1, unit.cameras.count), with: [camera.feed])
                endings.append { camera.stop() }
                log.info(
                    "a camera",
                    [
                        "name": .text(front), "pipeline": .text(pipeline), "width": .integer(Int64(camera.feed.width)),
                        "height": .integer(Int64(camera.feed.height)), "rate": .integer(Int64(camera.feed.rate)),
                    ])
            }
            if let pipeline = settings.text("microphone") {
                source = "\(settings.source("microphone"))"
                let microphone = try MicrophoneSource(pipeline: pipeline, log: log)
                unit.microphone = microphone.feed
                endings.append { microphone.stop() }
                log.info("a microphone", ["pipeline": .text(pipeline)])
            }
        } catch { fail("\(source): \(error)") }
        let all = endings
        unit.driver = CameraDriver(
            robot.driver, front: settings.text("camera") == nil ? nil : unit.cameras.first, hasMicrophone: unit.microphone != nil
        ) {
            for end in all { end() }
        }
        return unit
    #else
        return robot
    #endif
}

/// Before anything is begun: sources need a program that was built with GStreamer.
func checkSources(_ settings: Settings) {
    #if !GStreamer
        guard let name = sourceNames(settings).first else { return }
        fail(
            "\(settings.source(name)): this waldo was built without GStreamer. Run it with WALDO_TRAITS=GStreamer in the environment, as in\n"
                + "  WALDO_TRAITS=GStreamer ./waldo up --\(name) …\n"
                + "which installs GStreamer's Debian packages and builds with it.")
    #endif
}

private func sourceNames(_ settings: Settings) -> [String] { ["camera", "microphone"].filter { settings.text($0) != nil } }
