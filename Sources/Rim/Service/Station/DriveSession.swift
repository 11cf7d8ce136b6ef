import Contracts
import Media
import RTC
import Reactor
import Robot
import Teleop
import Usage
import Wire

/// One client of a robot: its peer, its channels, its place at the controls. Lives on the reactor.
final class DriveSession {
    let id: SessionID
    let peer: PeerSession
    let robot: RobotHost
    let camera: VideoSource?
    private var videoTrack: TransceiverID?
    private var audioTrack: TransceiverID?
    private var fanOut: FanOut?
    /// A client that opens a channel twice is heard on both, and told things on the newer: an emergency stop counts wherever it comes.
    private var channels: [(id: DataChannelID, kind: ClientMessage.Channel)] = []
    private var acks = AckMemory()
    private var decoder: OpusDecoder?
    /// The client has come: once.
    var onConnected: (() -> Void)?
    /// The session is over: once.
    var onEnd: (() -> Void)?
    private(set) var isOver = false
    private var complaints = Complaints()
    /// Messages that were not understood.
    private(set) var misunderstood = 0
    /// Seconds since 1970, when it was first connected.
    private var connectedSince: Int64?
    /// Telemetry that a slow client was spared.
    private(set) var spared = 0

    /// A client that is this far behind gets no telemetry until it has caught up, bytes.
    private static let patience = 64 << 10

    private struct Complaints {
        var second: Int64 = 0
        var count = 0

        /// At most five a second.
        mutating func allows(at now: Instant) -> Bool {
            let this = now.nanoseconds / 1_000_000_000
            if this != second { (second, count) = (this, 0) }
            count += 1
            return count <= 5
        }
    }

    init(_ id: SessionID, peer: PeerSession, robot: RobotHost, camera: VideoSource?) {
        (self.id, self.peer, self.robot, self.camera) = (id, peer, robot, camera)
        peer.onEvent = { [unowned self] event in handle(event) }
    }

    var isHolder: Bool { robot.control.lease.holder == id }

    /// As the usage monitor is told of it; nil: not connected. Until a client gives its name it is called by its number, which is none.
    var usage: SessionList.Session? {
        let name = robot.control.sessions[id]?.name
        return SessionList.Session(name == "\(id)" ? nil : name, drives: isHolder, since: connectedSince, peer)
    }

    // MARK: The peer

    /// Answers an offer. A later one may ask for a picture or sound that those before did not.
    func answer(_ offer: SessionDescription) throws(NegotiationError) -> SessionDescription {
        addTracks(for: offer)
        let answer = try peer.answer(offer)
        if connectedSince != nil {
            begin()
            if let videoTrack { fanOut?.add(peer, videoTrack) }
        }
        return answer
    }

    private func addTracks(for offer: SessionDescription) {
        func wants(_ kind: MediaSection.Kind) -> Bool { offer.media.contains { $0.kind == kind && !$0.isRejected } }
        peer.with { peer, _ in
            if videoTrack == nil, wants(.video), !robot.video.isEmpty {
                videoTrack = peer.addTransceiver(.video, direction: .sendonly, streamID: robot.id, trackID: "video")
            }
            if audioTrack == nil, wants(.audio), robot.sound != nil || robot.unit.hear != nil {
                audioTrack = peer.addTransceiver(
                    .audio, direction: robot.sound == nil ? .recvonly : .sendrecv, streamID: robot.id, trackID: "audio")
            }
        }
    }

    private func handle(_ event: PeerEvent) {
        switch event {
        case .stateChanged(.connected, _): begin()
        case .stateChanged(.disconnected, _): robot.with { control, now in control.linkLost(id, at: now) }
        case .stateChanged(.failed, _), .stateChanged(.closed, _): return end()
        case .dataChannel(let event): handle(event)
        case .audio(_, let sound): if isHolder { speak(sound) }
        default: break
        }
        if let videoTrack { fanOut?.follow(event, of: peer, on: videoTrack) }
    }

    /// Not as soon as the descriptions are agreed: where two cores are all there is, drawing and encoding would take from the browser what it
    /// needs to connect, and its first picture comes later (bench/RESULTS.md).
    private func showPicture() {
        guard let camera, let videoTrack, fanOut == nil, let codec = peer.with({ peer, _ in peer.sendingCodec(of: videoTrack) }) else {
            return
        }
        do {
            fanOut = try camera.fanOut(for: codec)
        } catch {
            robot.log.error("no encoder", ["codec": .text(codec.name), "error": .text("\(error)")])
            complain("the picture cannot be encoded as \(codec.name): \(error)")
        }
    }

    private func begin() {
        connectedSince = connectedSince ?? MonotonicClock.unixSeconds()
        onConnected?()
        onConnected = nil
        showPicture()
        guard let audioTrack, let sound = robot.sound else { return }
        do { try sound.add(peer, audioTrack) } catch { robot.log.error("no sound", ["error": .text("\(error)")]) }
    }

    private func end() {
        isOver = true
        // The peer may have more to tell, and may outlive this.
        peer.onEvent = nil
        fanOut?.remove(peer)
        robot.sound?.remove(peer)
        robot.remove(self)
        onEnd?()
        (onConnected, onEnd) = (nil, nil)
    }

    private func speak(_ sound: ReceivedAudio) {
        guard let hear = robot.unit.hear else { return }
        do throws(MediaError) {
            if decoder == nil { decoder = try OpusDecoder() }
            decoder?.receive(sound) { samples in hear(samples) }
        } catch { robot.log.error("no decoder for speech", ["error": .text("\(error)")]) }
    }

    // MARK: Channels

    private func handle(_ event: DataChannelEvent) {
        switch event {
        case .opened(let channel, let options):
            guard let kind = ClientMessage.Channel(rawValue: options.label) else {
                return complain("channel `\(options.label.prefix(64))`: expected `control` or `state`")
            }
            channels.append((channel, kind))
            guard kind == .state else { return }
            send(RobotMessage.welcome(id, robot: robot.id, robot.control).description)
            sendLease(at: MonotonicClock.now())
        case .closed(let channel):
            guard let index = channels.firstIndex(where: { $0.id == channel }) else { return }
            channels.remove(at: index)
            robot.with { control, now in control.linkLost(id, at: now) }
        case .message(let channel, let message):
            guard let kind = channels.first(where: { $0.id == channel })?.kind else {
                misunderstood += 1
                return complain("a message on a channel that is neither `control` nor `state`")
            }
            take(message, kind)
        }
    }

    private func take(_ message: DataMessage, _ channel: ClientMessage.Channel) {
        let now = MonotonicClock.now()
        let bytes =
            switch message {
            case .text(let text): Array(text.utf8)
            case .binary(let bytes): bytes
            }
        do throws(ClientMessageError) { carryOut(try ClientMessage(parsing: bytes.span, on: channel), on: channel, at: now) } catch {
            misunderstood += 1
            complain("\(error)")
        }
    }

    private func carryOut(_ message: ClientMessage, on channel: ClientMessage.Channel, at now: Instant) {
        switch message {
        case .drive(let command): drive(command)
        case .emergencyStop(let nonce) where robot.unit.recorded != nil: if let nonce { acknowledge(nonce, .recorded) }
        case .emergencyStop(let nonce):
            robot.emergencyStop(by: robot.control.sessions[id]?.name ?? "\(id)", since: now)
            if let nonce { acknowledge(nonce, acks.once(nonce) {}) }
        case .ping(let t): send(RobotMessage.pong(t, at: now).description, on: channel)
        case .hello(let name, let isBlind): robot.with { control, _ in control.introduce(id, name: name, isBlind: isBlind) }
        case .lease(let action, let nonce):
            once(nonce) { control, now throws(TeleopRefusal) in try control.lease(action, id, at: now) }
        case .clear(let epoch, let nonce):
            once(nonce) { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(id, epoch: epoch, at: now) }
        case .mode(let mode, let epoch, let nonce):
            once(nonce) { control, now throws(TeleopRefusal) in try control.setMode(mode, epoch: epoch, from: id, at: now) }
        case .action(let action, let epoch, let nonce):
            once(nonce) { control, now throws(TeleopRefusal) in
                try control.action(action, epoch: epoch, from: id, at: now, begin: robot.unit.driver.perform)
            }
        }
    }

    private func drive(_ command: DriveCommand) {
        var ticks: UInt32?
        if let seen = command.stamp?.seen, seen != 0, let videoTrack {
            ticks = peer.with { peer, _ in peer.sourceTimestamp(seen, on: videoTrack) }
        }
        robot.with { control, now in control.drive(command, seenTicks: ticks, from: id, at: now) }
    }

    private func once(_ nonce: Int64, _ act: (inout RobotControl, Instant) throws(TeleopRefusal) -> Void) {
        let refusal = acks.once(nonce) { () throws(TeleopRefusal) in
            var outcome: TeleopRefusal?
            robot.with { control, now in do throws(TeleopRefusal) { try act(&control, now) } catch { outcome = error } }
            if let outcome { throw outcome }
        }
        acknowledge(nonce, refusal)
    }

    private func acknowledge(_ nonce: Int64, _ refusal: TeleopRefusal?) { send(RobotMessage.ack(nonce, refusal).description) }

    private func complain(_ text: String) {
        if complaints.allows(at: MonotonicClock.now()) { send(RobotMessage.error(text).description) }
    }

    // MARK: To the client

    private func newest(_ kind: ClientMessage.Channel) -> DataChannelID? { channels.last { $0.kind == kind }?.id }

    var canTell: Bool { newest(.state) != nil }

    func sendLease(at now: Instant) {
        guard canTell, case .object(var message) = RobotMessage.lease(robot.control, for: id, at: now) else { return }
        message["type"] = "lease"
        send(JSON.object(message).description)
    }

    /// What is worth nothing once there is something newer.
    func sendNewest(_ text: String) {
        guard peer.with({ peer, _ in peer.bufferedAmount }) < Self.patience else {
            spared += 1
            return
        }
        send(text)
    }

    func send(_ text: String, on channel: ClientMessage.Channel = .state) {
        guard let target = newest(channel) else { return }
        peer.with { peer, now in
            // A channel that is closing or full: the client is going, or will see by telemetry what it missed.
            do throws(DataChannelError) { try peer.send(.text(text), on: target, at: now) } catch { spared += 1 }
        }
    }
}
