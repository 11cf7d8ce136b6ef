// An operator on a signalling server: steers gently from side to side ten times a second, and decodes what the robot sees.
//   waldo signal, then: waldo client --role robot --camera test, then this
import HTTP
import Media
import RTC
import Service
import Synchronization

@main struct OperatorExample {
    static func main() async throws {
        let server = CommandLine.arguments.dropFirst().first ?? "ws://127.0.0.1:8080"
        let options = OperatorClient.Options(signaling: try WebURL(server), id: "example operator")
        let decoder = try DecoderThread(
            onPicture: { decoded in print("a picture of \(decoded.picture.width)x\(decoded.picture.height)") }, onLoss: {})
        let step = Atomic(0)
        let commands = OperatorClient.Commands.every(0.1) {
            let turn = Double(step.add(1, ordering: .relaxed).newValue % 20 - 10) / 20
            return #"{"x":\#(turn),"y":0.2}"#
        }
        let person = try OperatorClient(
            options, commands: commands, onFrame: { frame in decoder.put(frame) }, tell: { event in print(event.text) })
        try await person.start()
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
