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
        var source = "", endings: [@Sendable () -> Void] = [], feeds: [PictureFeed] = []
        do throws(CameraError) {
            for (name, pipeline) in cameras(settings, first: robot.cameras.first?.name ?? "front") {
                source = "\(settings.source("camera"))"
                let camera = try CameraSource(name: name, pipeline: pipeline, log: log)
                let feed = camera.feed, place = unit.cameras.firstIndex { $0.name == name }
                if let place { unit.cameras[place] = feed } else { unit.cameras.append(feed) }
                feeds.append(feed)
                endings.append { camera.stop() }
                log.info(
                    "a camera",
                    [
                        "name": .text(name), "pipeline": .text(pipeline.withoutPasswords), "width": .integer(Int64(feed.width)),
                        "height": .integer(Int64(feed.height)), "rate": .integer(Int64(feed.rate)),
                    ])
            }
            if let pipeline = settings.text("microphone") {
                source = "\(settings.source("microphone"))"
                let microphone = try MicrophoneSource(pipeline: pipeline, log: log)
                unit.microphone = microphone.feed
                endings.append { microphone.stop() }
                log.info("a microphone", ["pipeline": .text(pipeline.withoutPasswords)])
            }
        } catch { fail("\(source): \(error)".withoutPasswords) }
        let all = endings
        unit.driver = CameraDriver(robot.driver, cameras: feeds, hasMicrophone: unit.microphone != nil) { for end in all { end() } }
        return unit
    #else
        return robot
    #endif
}

#if GStreamer
    /// `NAME=PIPELINE` or, for the first camera, a pipeline alone: its first word is an element, and has no `=`.
    private func cameras(_ settings: Settings, first: String) -> [(name: String, pipeline: String)] {
        var all: [(name: String, pipeline: String)] = []
        for text in settings.texts("camera") {
            let head = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            let isNamed = !head.isEmpty && text.dropFirst(head.count).first == "="
            let name = isNamed ? String(head) : first
            if all.contains(where: { $0.name == name }) {
                fail("\(settings.source("camera")): expected one pipeline for `\(name)`, got two")
            }
            if name.count > 32 { fail("\(settings.source("camera")): expected a name of at most 32 letters, got `\(name)`") }
            all.append((name, isNamed ? String(text.dropFirst(head.count + 1)) : text))
        }
        if all.count > 8 { fail("\(settings.source("camera")): expected at most 8 cameras, got \(all.count)") }
        return all
    }
#endif

/// Before anything is begun: sources need a program that was built with GStreamer.
func checkSources(_ settings: Settings) {
    #if !GStreamer
        guard let name = sourceNames(settings).first else { return }
        failWithout("GStreamer", "\(settings.source(name))", "--\(name) …")
    #endif
}

/// Ends because of something that this program was built without.
func failWithout(_ trait: String, _ source: String, _ option: String) -> Never {
    fail(
        "\(source): this waldo was built without \(trait). Run it with WALDO_TRAITS=\(trait) in the environment, as in\n"
            + "  WALDO_TRAITS=\(trait) ./waldo up \(option)\n"
            + "which installs its Debian packages and builds with it.")
}

private func sourceNames(_ settings: Settings) -> [String] { ["camera", "microphone"].filter { settings.text($0) != nil } }
