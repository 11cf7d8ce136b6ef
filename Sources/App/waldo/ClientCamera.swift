import CameraDriver
import Glibc
import Media
import Reactor
import Service
import Wire

#if GStreamer
    /// A real camera by GStreamer, opened now, and what is to be said of it when it is lost.
    func makeLiveCamera(
        _ name: String, width: Int, height: Int, rate: Int, _ log: Logger
    ) -> (camera: RobotClient.Camera, trouble: @Sendable () -> String?) {
        var reasons: [String] = []
        let sources = sources(of: name, width: width, height: height, rate: rate)
        for source in sources {
            let feed = PictureFeed(name: "camera", width: width, height: height, rate: rate)
            do throws(CameraError) {
                let camera = try LiveCamera(feed: feed, source, log: log)
                return (
                    RobotClient.Camera(feed: feed, wake: { camera.wake() }, rest: { camera.rest() }),
                    { camera.isLost ? "the camera is lost" : nil }
                )
            } catch { reasons.append("\(error)") }
        }
        cannotOpenCamera(reasons.isEmpty ? missing(name) : reasons.joined(separator: "; "))
    }

    /// Where pictures of that name may come from, the likeliest first.
    private func sources(of name: String, width: Int, height: Int, rate: Int) -> [LiveCamera.Source] {
        func plain(_ device: String) -> LiveCamera.Source {
            let size = "width=\(width),height=\(height)", pace = "framerate=\(rate)/1"
            return .colour(
                "v4l2src device=\(device) ! video/x-raw,\(size),\(pace);image/jpeg,\(size),\(pace);video/x-raw;image/jpeg ! decodebin")
        }
        func depth(_ device: String) -> LiveCamera.Source { .depth("v4l2src device=\(device) ! video/x-raw,format=GRAY16_LE") }
        switch name {
        case "rgb": return videoDevices().prefix(1).map(plain)
        case "realsense_rgb": return videoDevices(named: "RealSense").reversed().map(plain)
        case "realsense_depth": return videoDevices(named: "RealSense").map(depth)
        case let number where Int(number) != nil: return [plain("/dev/video\(number)")]
        case let device where device.hasPrefix("/dev/") && !device.contains(" "):
            return unsafe access(device, F_OK) == 0 ? [plain(device)] : []
        case let pipeline: return [.colour(pipeline)]
        }
    }

    private func missing(_ name: String) -> String {
        switch name {
        case "rgb": "there is no video device (/dev/video*); is the camera plugged in?"
        case "realsense_rgb", "realsense_depth": "there is no video device of a RealSense camera; is it plugged in, and in a USB 3 socket?"
        default: "\(name) is not there"
        }
    }
#else
    func makeLiveCamera(
        _ name: String, width: Int, height: Int, rate: Int, _ log: Logger
    ) -> (camera: RobotClient.Camera, trouble: @Sendable () -> String?) {
        if name == "rgb", videoDevices().isEmpty {
            cannotOpenCamera("there is no video device (/dev/video*); --camera test shows a test picture")
        }
        cannotOpenCamera(
            "this waldo was built without GStreamer, which cameras need. WALDO_TRAITS=GStreamer ./waldo client … installs it and builds with it; --camera test shows a test picture"
        )
    }
#endif

/// Video devices in the order of their numbers; of those whose name holds `text`, where it is given.
private func videoDevices(named text: String? = nil) -> [String] {
    var found: [Int] = []
    for number in 0..<64 where unsafe access("/dev/video\(number)", F_OK) == 0 {
        if let text {
            let name = (try? readFile("/sys/class/video4linux/video\(number)/name", limit: 256)) ?? []
            guard String(decoding: name, as: UTF8.self).contains(text) else { continue }
        }
        found.append(number)
    }
    return found.map { "/dev/video\($0)" }
}
