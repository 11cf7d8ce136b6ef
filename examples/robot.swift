// A robot on a signalling server: shows a test picture, and prints what its operator asks for.
//   waldo signal, then this, then: waldo operator
import HTTP
import Media
import Service

@main struct RobotExample {
    static func main() async throws {
        let server = CommandLine.arguments.dropFirst().first ?? "ws://127.0.0.1:8080"
        let options = RobotClient.Options(signaling: try WebURL(server), id: "example robot")
        let camera = try TestCamera(feed: PictureFeed(name: "camera", width: 640, height: 480, rate: 30))
        let robot = try RobotClient(
            options, camera: RobotClient.Camera(feed: camera.feed),
            onAction: { action in print("the operator asks for \(action)") },
            tell: { event in print(event.text) })
        try await robot.start()
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
