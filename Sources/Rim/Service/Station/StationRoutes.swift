import Contracts
import HTTP
import Media
import RTC
import Reactor
import Robot
import Teleop
import Web
import Wire

/// What a station answers by HTTP (docs/teleop-protocol.md).
extension StationServer {
    /// Bytes.
    static let longestOffer = 262_144

    func router(_ console: StaticFiles, _ usage: UsageProxy) -> Router {
        var common = RouterOptions()
        (common.title, common.version, common.log) = ("Waldo station", waldoVersion, options.log.with(subject: "web"))
        common.contentSecurityPolicy =
            "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
        let isLocal = options.bind.allSatisfy(\.isLoopback)
        let access = StationAccess(
            token: options.token, viewerToken: options.viewerToken,
            hosts: options.token == nil && isLocal ? Set(["localhost", "127.0.0.1", "::1"] + options.bind.map { "\($0)" }) : nil)
        common.authenticate = { request throws(HTTPProblem) in try access.user(of: request) }
        let router = Router(common)
        addConsole(console, access, to: router)
        addSessions(to: router)
        addRobots(to: router)
        addUsage(usage, to: router)
        router.addMetrics(metrics)
        return router
    }

    private func addConsole(_ console: StaticFiles, _ access: StationAccess, to router: Router) {
        for path in ["/", "/{rest*}"] {
            var route = Route(
                .get, path, "The console",
                handler: .value { request in
                    if request.user == nil { return access.asking() }
                    // The token goes into a cookie, and out of the address that people copy.
                    if let token = request.target["token"], request.target.segments.isEmpty, access.isKnown(token) {
                        let secure = request.client.isSecure ? "; Secure" : ""
                        let cookie = "\(StationAccess.cookie)=\(token); Path=/; HttpOnly; SameSite=Strict\(secure)"
                        return HTTPResponse(.seeOther, fields: ["Location": "/", "Set-Cookie": cookie, "Cache-Control": "no-store"])
                    }
                    return try console.answer(request, request.target.segments)
                })
            route.isHidden = path != "/"
            router.add(route)
        }
    }

    // MARK: WHEP

    private func addSessions(to router: Router) {
        add(
            .post, "/whep/{robot}", "An offer to see and drive a robot; the answer, its Location, the ICE servers as Link fields",
            body: "application/sdp", to: router
        ) { station, request in try station.offer(request) }
        var options = Route(
            .options, "/whep/{robot}", "What may be asked here, and the ICE servers as Link fields",
            handler: .value { [unowned self, unowned router] request in
                _ = try robot(request.parameters["robot"])
                var response = router.answerOptions(request)
                for server in iceServers() { response.fields.append("Link", server.link) }
                return response
            })
        options.answers = [.init(.noContent, "Allow, Accept-Post, and a Link field for each ICE server (RFC 9725 clause 4.6)")]
        router.add(options)
        add(
            .patch, "/whep/{robot}/{session}", "Candidates, or a new offer", body: "application/trickle-ice-sdpfrag, application/sdp",
            to: router
        ) { station, request in try station.change(request) }
        add(.delete, "/whep/{robot}/{session}", "The session's end", to: router) { station, request in
            station.end(try station.session(request))
            return HTTPResponse(.ok)
        }
        var socket = WebSocketOptions()
        socket.connection.messageLimit = Self.longestOffer
        var route = Route(
            .get, "/api/signal", "Signalling by messages",
            handler: .webSocket(socket) { [unowned self] session in signal(session) })
        route.parameters = [.init("robot", .query, "Which robot; the first when absent")]
        router.add(route)
    }

    private func offer(_ request: HTTPRequest) throws -> HTTPResponse {
        guard Self.mediaType(of: request) == "application/sdp" else {
            throw HTTPProblem(.unsupportedMediaType, "content_type", "expected Content-Type: application/sdp")
        }
        let robot = try robot(request.parameters["robot"])
        let description: SessionDescription
        do throws(SDPError) { description = try SessionDescription(parsing: request.body) } catch { throw Self.badOffer("\(error)") }
        let admission = try admit(description, to: robot, camera: request.target["camera"], by: request)
        var fields: HTTPFields = ["Content-Type": "application/sdp", "Location": "/whep/\(robot.id)/\(admission.resource)"]
        for server in iceServers() { fields.append("Link", server.link) }
        return HTTPResponse(.created, fields: fields, body: .bytes(Array(admission.answer.description.utf8)))
    }

    /// Trickled candidates need no answer: clients reach us, not we them. Other credentials with them restart ICE; a whole new offer may do so,
    /// too, and is a renegotiation.
    private func change(_ request: HTTPRequest) throws -> HTTPResponse {
        let session = try session(request)
        let type = Self.mediaType(of: request)
        do {
            switch type {
            case "application/trickle-ice-sdpfrag":
                let fragment = try TrickleFragment(parsing: String(decoding: request.body, as: UTF8.self))
                guard let answer = try session.peer.answer(fragment) else { return HTTPResponse(.noContent) }
                return .text(answer.description, type: type)
            case "application/sdp": return .text(try session.answer(try SessionDescription(parsing: request.body)).description, type: type)
            default:
                throw HTTPProblem(
                    .unsupportedMediaType, "content_type", "expected Content-Type: application/trickle-ice-sdpfrag or application/sdp")
            }
        } catch { throw error as? HTTPProblem ?? Self.badOffer("\(error)") }
    }

    /// In small letters, without parameters (RFC 9110 clause 8.3.1).
    private static func mediaType(of request: HTTPRequest) -> String {
        (request.fields["Content-Type"] ?? "").prefix { $0 != ";" && $0 != " " }.lowercased()
    }

    // MARK: Robots

    func robot(_ id: String?) throws(HTTPProblem) -> RobotHost {
        guard let id = id ?? order.first, let robot = robots[id] else {
            throw HTTPProblem(
                .notFound, "no_robot", "robot: expected one of \(order.joined(separator: ", ")), got \((id ?? "none").prefix(64))")
        }
        return robot
    }

    private func addRobots(to router: Router) {
        add(.get, "/api/health", "Whether the station works", to: router) { station, _ in
            let uptime = (MonotonicClock.now() - station.began).seconds
            return .json(["status": "ok", "version": .string(waldoVersion), "uptime_s": .double(uptime.rounded())])
        }
        add(.get, "/api/robots", "All robots; the ICE servers as Link fields", to: router) { station, _ in
            var response = HTTPResponse.json(["robots": .array(station.order.compactMap { station.robots[$0] }.map(Self.summary))])
            for server in station.iceServers() { response.fields.append("Link", server.link) }
            return response
        }
        add(.get, "/api/robots/{robot}", "What a robot is", to: router) { station, request in
            let robot = try station.robot(request.parameters["robot"])
            return .json(RobotMessage.robot(robot.id, robot.control.capabilities))
        }
        add(.get, "/api/robots/{robot}/state", "Its newest telemetry", to: router) { station, request in
            .json(try station.robot(request.parameters["robot"]).state(at: MonotonicClock.now()))
        }
        add(.post, "/api/robots/{robot}/estop", "Pulls the emergency stop: anybody may", to: router) { station, request in
            let robot = try station.robot(request.parameters["robot"])
            if robot.unit.recorded != nil { throw HTTPProblem(.conflict, TeleopRefusal.recorded.code, TeleopRefusal.recorded.message) }
            robot.emergencyStop(
                by: request.client.address.isLoopback ? "this machine" : "\(request.client.address)", since: MonotonicClock.now())
            return .json(["latched": .bool(robot.control.gate.isLatched)])
        }
        for prefix in ["", "/api/robots/{robot}"] {
            addPictures(prefix, to: router)
        }
    }

    private static func summary(_ robot: RobotHost) -> JSON {
        let (control, telemetry) = (robot.control, robot.unit.driver.telemetry)
        let driver = control.lease.holder.flatMap { control.sessions[$0]?.name }
        return [
            "id": .string(robot.id), "model": .string(control.capabilities.model), "online": .bool(control.gate.fault == nil),
            "battery": telemetry.battery.map { .double(($0.level * 1e4).rounded() / 1e4) } ?? .null,
            "mode": .string(control.mode.rawValue), "driver": driver.map { .string($0) } ?? .null,
            "stopped": control.gate.state.reason.map { .string($0.rawValue) } ?? .null, "latched": .bool(control.gate.isLatched),
            "viewers": .integer(Int64(robot.clientCount)), "cameras": .array(robot.unit.cameras.map { .string($0.name) }),
        ]
    }

    // MARK: Pictures

    private func addPictures(_ prefix: String, to router: Router) {
        later("\(prefix)/snapshot.jpg", "The newest picture", to: router) { station, request, responder throws(HTTPProblem) in
            try station.pictures(request).snapshot(responder, width: try Self.number(request, "width", 64...4096))
        }
        later("\(prefix)/video_feed", "Pictures one after another, MJPEG", to: router) { station, request, responder throws(HTTPProblem) in
            let rate = try Self.number(request, "fps", 1...30) ?? 15
            let width = try Self.number(request, "width", 64...4096)
            try station.pictures(request).stream(responder, rate: rate, width: width)
        }
    }

    private func pictures(_ request: HTTPRequest) throws(HTTPProblem) -> PictureServer {
        let robot = try robot(request.parameters["robot"])
        guard let camera = request.target["camera"] ?? robot.unit.cameras.first?.name, let pictures = pictures["\(robot.id)/\(camera)"]
        else {
            let names = robot.unit.cameras.map(\.name).joined(separator: ", ")
            throw HTTPProblem(.notFound, "no_camera", "camera: expected one of \(names.isEmpty ? "none: there is none" : names)")
        }
        return pictures
    }

    private static func number(_ request: HTTPRequest, _ name: String, _ range: ClosedRange<Int>) throws(HTTPProblem) -> Int? {
        guard let text = request.target[name] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw HTTPProblem(
                .badRequest, "bad_parameter", "\(name): expected a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    // MARK: Shapes of routes

    private func add(
        _ method: HTTPMethod, _ path: String, _ summary: String, body: String? = nil, to router: Router,
        _ handle: @escaping (StationServer, HTTPRequest) throws -> HTTPResponse
    ) {
        var route = Route(method, path, summary, handler: .value { [unowned self] request in try handle(self, request) })
        (route.bodyType, route.bodyLimit) = (body, body == nil ? 4096 : Self.longestOffer)
        router.add(route)
    }

    private func later(
        _ path: String, _ summary: String, to router: Router,
        _ handle: @escaping (StationServer, HTTPRequest, HTTPResponder) throws(HTTPProblem) -> Void
    ) {
        let route = Route(
            .get, path, summary,
            handler: .later { [unowned self] request, responder in
                do throws(HTTPProblem) { try handle(self, request, responder) } catch { responder.respond(error) }
            })
        router.add(route)
    }
}
