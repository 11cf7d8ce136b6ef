import RTC
import Reactor
import Wire

/// The life of a viewer: what a server does for each.
extension FanOut {
    /// Answers an offer of somebody who wants to watch: a session on the host's port, ICE lite as for all whom everybody reaches, with the
    /// source as its only track. Other wishes for its events are added by replacing `onEvent` and calling `follow` there.
    public func admit(_ offer: SessionDescription, to host: PeerHost) throws -> (session: PeerSession, answer: SessionDescription) {
        let ice = IceConfiguration(mode: .lite, transports: host.transports)
        let session = try host.makeSession(PeerConfiguration(ice: ice, videoCodecs: [codec], answersPassive: true))
        let track = session.with { peer, _ in peer.addTransceiver(.video, direction: .sendonly) }
        session.onEvent = { [unowned self, unowned session] event in follow(event, of: session, on: track) }
        do {
            return (session, try session.answer(offer))
        } catch {
            host.remove(session)
            throw error
        }
    }

    /// Does what an event of a viewer's session asks of the source: begin, end, a key frame, another bitrate.
    public func follow(_ event: PeerEvent, of session: PeerSession, on track: TransceiverID) {
        switch event {
        case .stateChanged(.connected, _): add(session, track)
        case .stateChanged(.failed, _), .stateChanged(.closed, _): remove(session)
        case .keyFrameNeeded(track): requestKeyFrame()
        case .targetBitrate(let bitrate): setTarget(bitrate, for: session)
        default: break
        }
    }
}
