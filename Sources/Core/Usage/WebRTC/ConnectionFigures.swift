extension WebRTCDetector {
    /// What the active connections carry, as far as it can be seen from outside (section 8.1); over the last second.
    public struct Figures: Equatable, Sendable {
        /// Mean of the connections' last STUN round trips (in the reduced mode: of TCP's), milliseconds; nil: none was seen.
        public var roundTripMs: Double?
        /// Of incoming RTP, 0…100; nil: none came.
        public var lossPct: Double?
        /// Payloads of both directions, 10⁶ bit/s.
        public var megabitsPerSecond = 0.0
        /// Distinct timestamps a second of the largest video stream; nil: there is none.
        public var framesPerSecond: Double?
        /// Whether a frame rate is known.
        public var hasVideo: Bool { framesPerSecond != nil }

        /// Of no connection.
        public init() {}
    }
}
