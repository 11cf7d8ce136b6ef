/// Which ports a monitor looks at, of its configuration.
extension MonitorConfiguration {
    /// TCP and UDP with one of these, at either end.
    public var watchedPorts: Set<UInt16> {
        zmq.portNumbers.union(webrtc.stun).union(webrtc.turn).union(NetworkPorts.patterns)
    }

    /// Ports of media; nil: none.
    public var mediaPorts: ClosedRange<UInt16>? {
        let media = webrtc.media.clamped(to: 1..<65_536)
        return media.isEmpty ? nil : UInt16(media.lowerBound)...UInt16(media.upperBound - 1)
    }

    /// What a packet socket lets through.
    public var captureFilter: CaptureFilter { CaptureFilter(media: webrtc.media, ports: watchedPorts) }
}
