import Contracts
import RTC
import Reactor
import Robot
import Teleop
import Usage
import Wire

/// One operator of a robot: its picture, its channel, and its place at the controls. Lives on the reactor.
final class RobotPeer {
    var tell: (@Sendable (ClientEvent) -> Void)?
    var onAction: (@Sendable (String) -> Void)?
    var onConnected: (() -> Void)?
    var onDead: ((String) -> Void)?
    /// Whether commands are for this operator to give; others are only reported.
    var mayDrive = false { didSet { if mayDrive != oldValue { settleSeat() } } }

    private let connection: ClientPeer
    private let video: VideoSource
    private let track: TransceiverID
    private let host: RobotHost?
    /// Nil: a plain peer, which knows none of our messages.
    private let name: String?
    /// Seconds between two commands, where the operator announces that.
    private let interval: Double?
    private let profile: SafetyProfile
    private var fanOut: FanOut?
    private var channel: DataChannelID?
    private var seat: SessionID?
    private var statusTimer: ReactorTimer?
    private var hasWarned = false
    /// Seconds since 1970, when it was first connected.
    private var connectedSince: Int64?
    /// What people were told of the connection last.
    private var told: PeerState?
    private var isOver = false

    /// Hz of the status, beside what is told at once.
    private static let statusRate = 10
    /// Intervals that are longer count as this: when in doubt, the robot stops.
    private static let longestInterval = 1.0

    init(_ connection: ClientPeer, video: VideoSource, drive: (host: RobotHost, profile: SafetyProfile)?, name: String?, interval: Double?)
    {
        (self.connection, self.video, host, self.name, self.interval) = (connection, video, drive?.host, name, interval)
        profile = (drive?.profile ?? .lan).announcing(interval: .seconds(min(interval ?? 0, Self.longestInterval)))
        track = connection.session.with { peer, _ in peer.addTransceiver(.video, direction: .sendonly, trackID: "camera") }
        connection.onEvent = { [unowned self] event in handle(event) }
        connection.onDead = { [unowned self] reason in
            let tell = onDead
            end()
            tell?(reason)
        }
    }

    // MARK: The negotiation

    /// `waits`: for the candidates, because the operator takes none that come later.
    func answer(
        _ offer: SessionDescription, waits: Bool, then: @escaping (Result<String, any Error>) -> Void
    ) throws {
        try connection.session.with { peer, now in
            try peer.setRemote(offer, .offer, at: now)
            _ = try peer.createAnswer(at: now)
        }
        let finish = { [unowned self] in
            do { then(.success(try finishAnswer())) } catch { then(.failure(error)) }
        }
        if waits { connection.gather(finish) } else { finish() }
    }

    private func finishAnswer() throws -> String {
        let answer = try connection.session.with { peer, now in
            let answer = try peer.createAnswer(at: now)
            try peer.setLocal(answer, .answer, at: now)
            return answer
        }
        guard let codec = connection.session.with({ peer, _ in peer.sendingCodec(of: track) }) else { throw NoVideo() }
        // The camera and its encoder get going while the connection is made.
        fanOut = try video.fanOut(for: codec)
        fanOut?.expect(connection.session)
        let text = answer.description
        connection.sent(text)
        return text
    }

    private struct NoVideo: Error, CustomStringConvertible {
        var description: String { "expected a section that takes video as VP8 or H.264 with packetization-mode 1" }
    }

    func add(candidate text: String) { connection.add(candidate: text) }

    // MARK: The peer

    private func handle(_ event: PeerEvent) {
        if case .stateChanged(let state, _) = event {
            told = state
            tell?(.state(state))
        }
        if case .stateChanged(.connected, _) = event {
            connectedSince = connectedSince ?? MonotonicClock.unixSeconds()
            onConnected?()
        }
        if case .stateChanged(.disconnected, _) = event, let seat { host?.with { control, now in control.linkLost(seat, at: now) } }
        fanOut?.follow(event, of: connection.session, on: track)
        if case .dataChannel(let event) = event { handle(event) }
    }

    private func handle(_ event: DataChannelEvent) {
        switch event {
        case .opened(let id, _):
            guard channel == nil else { return }
            channel = id
            tell?(.channelOpen)
            settleSeat()
            beginStatus()
        case .closed(let id):
            guard id == channel else { return }
            channel = nil
            tell?(.channelClosed)
            let tell = onDead
            close()
            tell?("the operator has closed the channel")
        case .message(let id, let message): if id == channel { take(message) }
        }
    }

    /// Says goodbye and lets go of everything.
    func close() {
        end()
        connection.close()
    }

    private func end() {
        guard !isOver else { return }
        isOver = true
        if channel != nil { tell?(.channelClosed) }
        channel = nil
        if let told, told != .closed { tell?(.state(.closed)) }
        statusTimer = nil
        leaveSeat()
        fanOut?.remove(connection.session)
        (onConnected, onDead) = (nil, nil)
    }

    /// As the usage monitor is told of it; nil: not connected.
    var usage: SessionList.Session? {
        SessionList.Session(name, drives: seat.map { $0 == host?.control.lease.holder } ?? false, since: connectedSince, connection.session)
    }

    // MARK: What the operator says

    private func take(_ message: DataMessage) {
        let said =
            switch message {
            case .text(let text): text as String?
            case .binary(let bytes): String(validating: bytes, as: UTF8.self)
            }
        guard let text = said, text.utf8.count <= ActionMessage.limit else { return }
        let bytes = Array(text.utf8)
        let understood = ActionMessage.read(bytes.span)
        guard let action = understood else {
            tell?(.notJSON(text))
            return
        }
        // Before anything else that there is to do.
        if case .emergencyStop = action { host?.emergencyStop(by: name ?? "operator", since: MonotonicClock.now()) }
        tell?(.actionReceived(text))
        onAction?(text)
        switch action {
        case .emergencyStop: break
        case .clearEmergencyStop(let epoch): clear(epoch)
        case .motion(let x, let y, let stamp): drive(x: x, y: y, stamp)
        case .other:
            if host != nil, !hasWarned { tell?(.warning("expected numbers in x and y; what is no motion is not driven")) }
            hasWarned = true
        }
    }

    /// x to the right is turning right, y is forward, each a share of what the robot does at most (specs: teleop-client clause 8).
    private func drive(x: Double, y: Double, _ stamp: DriveCommand.Stamp?) {
        guard let host, let seat else { return }
        takeLease()
        let most = host.control.capabilities.limits.maximum
        let velocity = Velocity(vx: y * most.vx, vyaw: -x * most.vyaw)
        var ticks: UInt32?
        if let seen = stamp?.seen, seen != 0 {
            ticks = connection.session.with { peer, _ in peer.sourceTimestamp(seen, on: track) }
        }
        host.with { control, now in
            control.drive(DriveCommand(.velocity(velocity), stamp: stamp), seenTicks: ticks, from: seat, at: now)
        }
    }

    private func clear(_ epoch: UInt32?) {
        guard let host, let seat else { return }
        var refusal: TeleopRefusal?
        host.with { control, now in
            do throws(TeleopRefusal) {
                try control.clearEmergencyStop(seat, epoch: epoch ?? control.lease.epoch, at: now)
            } catch { refusal = error }
        }
        // The operator sees by the status that the latch stays.
        if let refusal { tell?(.warning("the emergency stop was not cleared: \(refusal)")) }
    }

    // MARK: The seat

    /// Whoever drives holds the lease while the channel is open.
    private func settleSeat() {
        guard let host, channel != nil, mayDrive, !isOver else { return leaveSeat() }
        guard seat == nil else { return }
        seat = host.with { control, now in
            control.setProfile(profile, at: now)
            return control.join(name: name ?? "operator", rights: .operate)
        }
        // At an interval nobody watches closely: as slow as without a picture.
        if let seat, interval != nil { host.with { control, _ in control.introduce(seat, name: nil, isBlind: true) } }
        fanOut?.leader = connection.session
        takeLease()
        tellStatus()
    }

    private func leaveSeat() {
        guard let host, let left = seat.take() else { return }
        host.with { control, now in control.leave(left, at: now) }
    }

    /// Silence has suspended it, or nobody has it: it is taken up again, with a stick at rest at first.
    private func takeLease() {
        guard let host, let seat, host.control.lease.authority?.session != seat else { return }
        host.with { control, now in try? control.lease(.acquire, seat, at: now) }
    }

    // MARK: The status

    private func beginStatus() {
        guard name != nil, host != nil else { return }
        statusTimer = connection.makeTimer { [unowned self] now in
            statusTimer?.deadline = now + Duration(nanoseconds: 1_000_000_000 / Int64(Self.statusRate))
            tellStatus()
        }
        statusTimer?.deadline = MonotonicClock.now()
    }

    func tellStatus() {
        guard let host, let channel, name != nil else { return }
        let text = DriveStatus(host.control, for: seat).json.description
        connection.session.with { peer, now in
            // A slow operator gets the next one.
            if peer.bufferedAmount < 16 << 10 { try? peer.send(.text(text), on: channel, at: now) }
        }
    }
}
