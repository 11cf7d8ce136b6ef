import Contracts
import RTC
import Reactor
import Wire

/// What an operator's connection has been like since it was asked last.
public struct OperatorFigures: Sendable {
    public var state = PeerState.new
    /// Whole frames since the beginning, and of each second lately.
    public var frames = 0
    public var rate = 0.0
    /// bit/s of video lately.
    public var bitrate = 0.0
    /// Share of the packets that was lost lately, 0 to 1.
    public var loss = 0.0
    /// To the robot and back, milliseconds; nil: not measured yet.
    public var roundTrip: Double?
    public var width = 0
    public var height = 0
    /// What the robot drives, and how it is.
    public var drives: String?
    public var drive: DriveStatus?

    private var moment = Instant.zero
    private var packets = 0
    private var lost = 0
    private var bytes = 0

    public init() {}

    init(_ status: OperatorStatus, _ statistics: PeerStatistics?, since last: OperatorFigures, at now: Instant) {
        let seconds = max((now - last.moment).seconds, 0.001)
        (state, frames, width, height, drives, drive) = (
            status.state, status.frames, status.width, status.height, status.drives, status.drive
        )
        (moment, bytes) = (now, status.bytes)
        let video = statistics?.inboundVideo.first
        (packets, lost) = (video?.packetsReceived ?? 0, video?.packetsLost ?? 0)
        roundTrip = statistics?.ice.currentRoundTripTime.map { $0 * 1000 }
        guard last.moment != .zero else { return }
        rate = Double(frames - last.frames) / seconds
        bitrate = Double((bytes - last.bytes) * 8) / seconds
        // Another peer counts from the beginning.
        let received = packets - last.packets, missed = max(lost - last.lost, 0)
        if received > 0 { loss = Double(missed) / Double(received + missed) }
    }

    public var json: JSON {
        [
            "event": "stats", "state": .string(state.rawValue), "frames": .integer(Int64(frames)), "fps": .double(rounded(rate, 10)),
            "bitrate": .integer(Int64(bitrate)), "loss": .double(rounded(loss, 10_000)),
            "rtt_ms": roundTrip.map { .double(rounded($0, 100)) } ?? nil, "width": .integer(Int64(width)),
            "height": .integer(Int64(height)), "drives": drives.map { .string($0) } ?? nil,
            "motion": drive.map { .string($0.motion) } ?? nil,
            "estop": drive.map { .bool($0.isLatched) } ?? nil,
        ]
    }

    private func rounded(_ value: Double, _ parts: Double) -> Double { (value * parts).rounded() / parts }
}

extension OperatorClient {
    /// Figures since `last`.
    public func figures(since last: OperatorFigures) -> OperatorFigures {
        OperatorFigures(status, statistics, since: last, at: MonotonicClock.now())
    }
}
