import RTC
import Robot
import Teleop
import Wire

/// What a station tells of its robots: read from them whenever the registry is, or counted where it happens. Lives on the reactor.
final class StationFigures {
    private let registry: MetricsRegistry
    private let verdicts: MetricFamily<Counter>
    private let decisions: MetricFamily<Counter>
    private let refusals: MetricFamily<Counter>
    private let stops: MetricFamily<Counter>
    private let events: MetricFamily<Counter>
    private let delays: Histogram
    private let stopTimes: MetricFamily<Histogram>
    private var robots: [RobotHost] = []
    private let perRobot: MetricFamily<Gauge>
    private let perViewer: MetricFamily<Gauge>
    private let perEncoder: MetricFamily<Gauge>
    private unowned let host: PeerHost

    init(_ registry: MetricsRegistry, _ host: PeerHost) {
        (self.registry, self.host) = (registry, host)
        verdicts = registry.counters("waldo_commands_total", "Commands by what the gate did with them", labels: ["robot", "verdict"])
        decisions = registry.counters(
            "waldo_discrete_commands_total", "Leases, actions, modes and clearings: `ok` (done, or asked of who drives), or why not",
            labels: ["robot", "command", "outcome"], limit: 512)
        refusals = registry.counters("waldo_gate_rule_total", "Commands that a rule changed or refused", labels: ["robot", "rule"])
        stops = registry.counters("waldo_stops_total", "Times that a moving robot was stopped, by reason", labels: ["robot", "reason"])
        events = registry.counters("waldo_events_total", "What happened at the controls", labels: ["robot", "event"])
        delays = registry.histogram("waldo_view_age_seconds", "How old the picture was that a command was given on")
        stopTimes = registry.histograms(
            "waldo_stop_seconds", "From the last accepted command until the motors were told zero", labels: ["robot", "reason"])
        perRobot = registry.gauges("waldo_robot", "Figures of a robot now", labels: ["robot", "figure"])
        perEncoder = registry.gauges("waldo_encoder", "Figures of an encoder", labels: ["robot", "camera", "codec", "figure"], limit: 512)
        perViewer = registry.gauges("waldo_viewer", "WebRTC figures of a client", labels: ["robot", "session", "figure"], limit: 4096)
        registry.gauge("waldo_peers", "Peers known") { [unowned host] in Double(host.sessions.count) }
        registry.counter("waldo_udp_dropped_total", "Datagrams that the kernel did not take") { [unowned host] in
            Double(host.socketStatistics.dropped)
        }
        registry.beforeReading { [unowned self] in look() }
    }

    func watch(_ robot: RobotHost) {
        robots.append(robot)
        let id = robot.id
        robot.observers.append { [unowned self] event, _ in count(event, id) }
        robot.onStopTime = { [unowned self] reading in stopTimes.member(id, reading.reason.rawValue).observe(reading.commanded) }
        for figure in robot.unit.figures {
            if figure.isCounter {
                registry.counter(figure.name, figure.text, read: figure.read)
            } else {
                registry.gauge(figure.name, figure.text, read: figure.read)
            }
        }
    }

    func watch(_ recorder: StationRecorder) {
        registry.counter("waldo_recording_messages_total", "Messages recorded") { [weak recorder] in
            Double(recorder?.statistics.messages ?? 0)
        }
        registry.counter("waldo_recording_dropped_total", "Messages that the disk was too slow for") { [weak recorder] in
            Double(recorder?.statistics.dropped ?? 0)
        }
        registry.gauge("waldo_recording_bytes", "Bytes on the disk") { [weak recorder] in Double(recorder?.statistics.bytes ?? 0) }
    }

    private func count(_ event: ControlEvent, _ robot: String) {
        switch event {
        case .verdict(let verdict, _):
            let outcome = !verdict.isAccepted ? "refused" : verdict.changes.isEmpty ? "accepted" : "changed"
            verdicts.member(robot, outcome).add()
            if let rule = verdict.refused { refusals.member(robot, rule.rawValue).add() }
            for rule in verdict.changes { refusals.member(robot, rule.rawValue).add() }
            if let age = verdict.viewAge { delays.observe(age) }
        case .stopped(let reason): stops.member(robot, reason.rawValue).add()
        case .leaseChanged: events.member(robot, "lease").add()
        case .latched: events.member(robot, "estop").add()
        case .cleared: events.member(robot, "estop_clear").add()
        case .fault(let text): if text != nil { events.member(robot, "fault").add() }
        case .decided(let command, let refusal, _): decisions.member(robot, command.kind, refusal?.code ?? "ok").add()
        }
    }

    /// Who is gone is no longer told of.
    private func look() {
        perViewer.removeAll()
        for robot in robots {
            perRobot.member(robot.id, "clients").set(robot.clientCount)
            perRobot.member(robot.id, "latched").set(robot.control.gate.isLatched ? 1 : 0)
            perRobot.member(robot.id, "estop_to_driver_seconds").set(Double(robot.stopNanoseconds) / 1e9)
            for (camera, source) in robot.video {
                for (codec, figures) in source.statistics { tell(figures, robot.id, camera, codec.rawValue) }
            }
            for session in robot.sessions { tell(session, robot.id) }
        }
    }

    private func tell(_ figures: EncoderThread.Statistics, _ robot: String, _ camera: String, _ codec: String) {
        for (name, value) in [
            ("frames", Double(figures.frames)), ("seconds", figures.seconds), ("left_out", Double(figures.leftOut)),
            ("lost", Double(figures.lost)), ("bitrate", Double(figures.bitrate)), ("width", Double(figures.width)),
        ] {
            perEncoder.member(robot, camera, codec, name).set(value)
        }
    }

    private func tell(_ session: DriveSession, _ robot: String) {
        let statistics = session.peer.statistics
        for (name, value) in [
            ("packets_sent", Double(statistics.rtpPacketsSent)), ("bytes_sent", Double(statistics.mediaBytesSent)),
            ("frames_dropped", Double(statistics.outboundVideo.map(\.framesDropped).reduce(0, +))),
            ("retransmissions", Double(statistics.outboundVideo.map(\.retransmittedPacketsSent).reduce(0, +))),
            ("telemetry_spared", Double(session.spared)), ("misunderstood", Double(session.misunderstood)),
        ] {
            perViewer.member(robot, "\(session.id)", name).set(value)
        }
    }
}
