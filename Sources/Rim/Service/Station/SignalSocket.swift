import HTTP
import RTC
import Reactor
import Web
import Wire

/// Signalling by messages on a WebSocket: the same as WHEP for those who would rather talk than ask (docs/teleop-protocol.md).
extension StationServer {
    func signal(_ socket: WebSocketSession) {
        var admitted: DriveSession?
        socket.onMessage = { [unowned self, unowned socket] kind, bytes in
            do throws(HTTPProblem) {
                guard kind == .text else { throw HTTPProblem(.badRequest, "bad_message", "expected a text message with a JSON object") }
                try carryOut(bytes, of: socket, &admitted)
            } catch {
                socket.send(
                    (["type": "error", "code": .string(error.code), "message": .string(error.message)] as JSON).description)
            }
        }
    }

    private func carryOut(_ bytes: Span<UInt8>, of socket: WebSocketSession, _ admitted: inout DriveSession?) throws(HTTPProblem) {
        let message: JSONField
        let type: String
        do {
            message = JSONField(try JSON(parsing: bytes, limits: JSONLimits(depth: 8, bytes: Self.longestOffer)))
            type = try message["type"].string(of: ["offer", "candidate", "bye"])
        } catch { throw HTTPProblem(.badRequest, "bad_message", "\(error)") }
        switch type {
        case "offer": try offer(message, of: socket, &admitted)
        case "bye":
            if let session = admitted { end(session) }
            admitted = nil
        // Clients reach us, not we them: their candidates tell nothing.
        default: break
        }
    }

    private func offer(_ message: JSONField, of socket: WebSocketSession, _ admitted: inout DriveSession?) throws(HTTPProblem) {
        let (offer, camera): (SessionDescription, String?)
        do {
            offer = try SessionDescription(parsing: Array(try message["sdp"].string(limit: Self.longestOffer).utf8))
            camera = try message["camera"].optional?.string(limit: 64)
        } catch { throw Self.badOffer("\(error)") }
        let answer: SessionDescription
        // Whoever comes back after a break offers anew on the socket that outlived it.
        if let session = admitted, !session.isOver {
            do { answer = try session.answer(offer) } catch { throw Self.badOffer("\(error)") }
        } else {
            let robot = try robot(socket.request.target["robot"])
            let admission = try admit(offer, to: robot, camera: camera, by: socket.request)
            admitted = admission.session
            answer = admission.answer
        }
        let id = admitted.map { "\($0.id)" } ?? ""
        socket.send(
            ([
                "type": "answer", "sdp": .string(answer.description), "session": .string(id),
                "ice_servers": .array(iceServers().map(\.json)),
            ] as JSON).description)
    }
}
