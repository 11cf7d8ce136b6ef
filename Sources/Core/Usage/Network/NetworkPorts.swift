/// What a port says of the flow that uses it (section 8.4).
enum NetworkKind: UInt8, Sendable {
    case video, control
    /// In the range of WebRTC media: told by what it carries.
    case media
}

/// Ports by kind.
public struct NetworkPorts: Sendable {
    /// The ports of the section, beside the configured ones of ZeroMQ and WebRTC; what a capture filter must let through.
    public static let patterns: [UInt16] = video + control
    private static let video: [UInt16] = [554, 1935, 8554, 5000, 5001, 8080, 8443]
    private static let control: [UInt16] = [5555, 5556, 5557, 5558, 5559, 9090]

    /// WireGuard and Tailscale: what a tunnel carries is seen on its own interface, and the tunnel itself has no shape.
    private static let tunnels: [UInt16] = [51_820, 41_641]

    private var video: PortSet
    private var control: PortSet
    private let media: Range<Int>

    init(webrtc: MonitorConfiguration.WebRTCPorts, zmq: MonitorConfiguration.ZMQPorts) {
        (video, control, media) = (PortSet(Self.video), PortSet(Self.control), webrtc.media)
        // What the configuration says of a port comes before what it is usually for.
        for port in [zmq.controlCommands, zmq.joystick].compactMap({ $0?.port }) {
            control.insert(port)
            video.remove(port)
        }
        if let port = zmq.videoStream?.port {
            video.insert(port)
            control.remove(port)
        }
    }

    /// nil: the flow is not looked at.
    func kind(_ a: UInt16, _ b: UInt16) -> NetworkKind? {
        if control.contains(a) || control.contains(b) { return .control }
        if video.contains(a) || video.contains(b) { return .video }
        // Beside a well-known port the other one is only a client's (a page by QUIC, a name look-up).
        guard min(a, b) >= 1024, !Self.tunnels.contains(a), !Self.tunnels.contains(b), media.contains(Int(a)) || media.contains(Int(b))
        else { return nil }
        return .media
    }
}
