/// The detectors that are built in (spec teleop-monitor, section 8).
public enum DetectorKind: String, CaseIterable, Sendable, Hashable {
    case webrtc, zmq, input, network
}

/// What a detector says at an evaluation (sections 3 and 7).
public struct Evidence: Equatable, Sendable {
    /// 0…100; nil: it has none.
    public var score: Double?
    /// `ZMQ: 50.0 Hz`; empty without a score.
    public var reason: String
    /// Names of who it sees, `unknown` among them where it sees somebody and no name; empty without a score.
    public var operators: [String]
    /// Active flows or devices, whether they give a score or not.
    public var connections: Int

    public static let none = Evidence(score: nil, reason: "", operators: [], connections: 0)

    public init(score: Double?, reason: String, operators: [String], connections: Int) {
        (self.score, self.reason, self.operators, self.connections) = (score, reason, operators, connections)
    }
}

/// An active flow has appeared or ended (section 6: `connection_established`, `connection_lost`).
public struct ConnectionChange: Equatable, Sendable {
    public var kind: DetectorKind
    public var isEstablished: Bool
    /// Address and port, or a device's path.
    public var local: String
    public var remote: String
    public var operatorName: String

    public init(kind: DetectorKind, isEstablished: Bool, local: String, remote: String, operatorName: String) {
        (self.kind, self.isEstablished, self.local, self.remote, self.operatorName) = (kind, isEstablished, local, remote, operatorName)
    }
}
