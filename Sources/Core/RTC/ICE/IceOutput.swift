import Wire

/// As in the WebRTC API, `RTCIceTransportState`.
public enum IceConnectionState: String, Sendable, Hashable {
    case new, checking, connected, completed, disconnected, failed, closed
}

public enum IceGatheringState: String, Sendable, Hashable {
    case new, gathering, complete
}

/// Why an input was not accepted. The input changed nothing.
public enum IceRefusal: Error, Sendable, Hashable {
    /// Data from an address that passed no check.
    case unknownPath
    case malformed(STUNError)
    /// A check for another agent, or of an old generation.
    case unknownUsername
    /// MESSAGE-INTEGRITY is missing or does not fit.
    case integrity
    /// A response to nothing that was asked, or from another address than was asked (RFC 8445 clause 7.2.5.2.1).
    case unknownTransaction
    /// A method or class that has no place here.
    case unexpectedMessage
    /// A bound of `IceLimits` is reached.
    case limit
    case closed
}

public enum IceReception: Sendable, Hashable {
    case handled
    /// These bytes of the datagram are DTLS, SRTP or SRTCP, over a path that passed a check.
    case application(Range<Int>)
    case refused(IceRefusal)
}

public struct IceSelectedPair: Sendable, Hashable {
    public var local: IceCandidate
    public var remote: IceCandidate
}

public enum IceEvent: Sendable {
    case candidate(IceCandidate)
    /// The end of candidates of this generation (RFC 8838 clause 13).
    case gatheringComplete
    case stateChanged(IceConnectionState)
    case selectedPair(IceSelectedPair)
    /// The server gives no candidate on this transport; as `icecandidateerror`. `code` is STUN's, or 701 for no answer.
    case serverFailed(url: String, code: Int, reason: String)
    /// Found by the tie-breaker after a role conflict (RFC 8445 clause 7.3.1.1).
    case roleChanged(isControlling: Bool)
}

public enum IceOutput: Sendable {
    case transmit(Datagrams)
    /// Opens a TCP connection, with TLS where asked, and frames it by `TurnFramer`. The agent chose the id: its top bit is set, and it is
    /// unique within this agent only. To be answered by `streamOpened` or `streamClosed`.
    case openStream(TransportID, to: SocketAddress, isTLS: Bool, serverName: String)
    case closeStream(TransportID)
    /// Wants the addresses of a server's name (DNS) or a peer's name under `.local` (mDNS). To be answered by `resolved`.
    case resolve(String)
    case event(IceEvent)
}

/// Where application datagrams go.
public enum IceRoute: Sendable, Hashable {
    case direct(NetworkPath)
    /// To the TURN server, each wrapped by `wrap`.
    case relayed(NetworkPath)

    public var path: NetworkPath {
        switch self {
        case .direct(let path), .relayed(let path): path
        }
    }
}

/// With the names of `RTCIceCandidatePairStats` and `RTCTransportStats` (W3C webrtc-stats).
public struct IceStatistics: Sendable {
    public var requestsSent: UInt64 = 0
    public var requestsReceived: UInt64 = 0
    public var responsesSent: UInt64 = 0
    public var responsesReceived: UInt64 = 0
    public var consentRequestsSent: UInt64 = 0
    /// Seconds; `nil` before the first reply on the selected pair.
    public var currentRoundTripTime: Double?
    /// Seconds, summed over all replies; divided by `responsesReceived` the mean.
    public var totalRoundTripTime: Double = 0
    public var selectedCandidatePairChanges: UInt32 = 0
    /// Datagrams that were refused.
    public var refused: UInt64 = 0
    /// Outputs that found the queue full (`IceLimits.outputs`).
    public var outputsDropped: UInt64 = 0
}
