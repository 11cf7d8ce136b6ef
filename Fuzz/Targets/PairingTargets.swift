import Contracts
import Robot
import Teleop
import Wire

/// What comes by way of a signalling server, and along an operator's channel.
extension FuzzTarget {
    /// Every line is one message, heard by a robot and an operator that are looking for each other. What is understood can be said again;
    /// nobody keeps more than a bound, and nobody is paired with more than is allowed.
    static func signalling(_ bytes: Span<UInt8>) {
        var now = Instant(nanoseconds: 1_000_000_000)
        var robot = RobotPairing(id: "r", operators: 2), person = OperatorPairing(id: "o", seed: 1)
        person.start()
        person.joinedServer(at: now)
        for line in bytes.array.split(separator: 10, maxSplits: 64) {
            now += .seconds(line.count % 7)
            let text = Array(line)
            guard let message = try? SignalMessage.read(text.span) else { continue }
            let said = Array(message.json.description.utf8)
            precondition((try? SignalMessage.read(said.span)) == message, "\(message) is not understood")
            robot.receive(message, at: now)
            person.receive(message, at: now)
            while let output = robot.nextOutput() {
                guard case .begin(let pair, let offer, _, _) = output else { continue }
                if offer.utf8.count % 2 == 0 { robot.refused(pair, at: now) } else { robot.connected(pair, at: now) }
            }
            precondition(robot.connected.count <= 2, "\(robot.connected.count) operators")
            while let output = person.nextOutput() {
                switch output {
                case .begin(let pair): person.offered(pair, sdp: "offer", at: now)
                case .accept(let pair, let answer, _, _):
                    if answer.utf8.count % 2 == 0 { person.refused(pair, at: now) } else { person.connected(pair, at: now) }
                default: break
                }
            }
        }
    }

    /// Whatever an operator says: what is a motion is finite and within its bounds, and can be said again.
    static func action(_ bytes: Span<UInt8>) {
        if let status = DriveStatus.read(bytes) {
            let said = Array(status.json.description.utf8)
            precondition(DriveStatus.read(said.span) == status, "\(status) is not understood")
        }
        guard case .motion(let x, let y, let stamp)? = ActionMessage.read(bytes) else { return }
        precondition(abs(x) <= 1 && abs(y) <= 1, "\(x), \(y)")
        let said = Array(ActionMessage.motion(x: x, y: y, .number, stamp: stamp).description.utf8)
        precondition(ActionMessage.read(said.span) == .motion(x: x, y: y, stamp: stamp), "\(x), \(y) is not understood")
        let short = Array(ActionMessage.motion(x: x, y: y, .string).description.utf8)
        guard case .motion(let nearX, let nearY, nil)? = ActionMessage.read(short.span) else { preconditionFailure("\(x), \(y)") }
        precondition(abs(nearX - x) <= 0.00501 && abs(nearY - y) <= 0.00501, "\(x) became \(nearX)")
    }
}
