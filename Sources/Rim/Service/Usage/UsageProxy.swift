import HTTP
import Reactor
import Web
import Wire

/// The usage monitor of this machine as a station's clients see it: its state (spec teleop-monitor, section 4) and its events (section 5). Lives on
/// the reactor.
///
/// It is looked for anew each time: it may be started and ended as it likes. Whatever else answers at that port is not shown to anybody.
package final class UsageProxy {
    /// `/api/usage/ws` is closed with 1013 while there is no monitor, and with 1008 where none will be.
    private let place: Place?
    private let client: HTTPClient

    private struct Place {
        var pages: [Page: WebURL]
        var socket: WebURL
        var absence: String
    }

    /// What of the monitor's is shown, by its name there.
    package enum Page: String, Sendable, CaseIterable { case status, alerts }

    /// WebSockets at once; the monitor takes 100 from all who come.
    private static let mostRelays = 32

    /// `port`: of the monitor on 127.0.0.1; nil: nobody asks for one. `namespace`: under which it finds this process's sessions.
    init(port: UInt16?, namespace: String?, reactor: Reactor) throws {
        var options = HTTPClientOptions()
        (options.connectTimeout, options.requestTimeout, options.silenceTimeout) = (.seconds(1), .seconds(2), .seconds(2))
        (options.webSockets, options.redirects, options.limits) = (Self.mostRelays, 0, HTTPLimits(body: 1 << 20))
        client = try HTTPClient(reactor: reactor, options: options)
        place = try port.map { port in
            var pages: [Page: WebURL] = [:]
            for page in Page.allCases { pages[page] = try WebURL("http://127.0.0.1:\(port)/\(page.rawValue)") }
            return Place(pages: pages, socket: try WebURL("ws://127.0.0.1:\(port)/ws"), absence: Self.absence(port, namespace))
        }
    }

    package static func absence(_ port: UInt16, _ namespace: String?) -> String {
        let flags =
            (port == 8765 ? "" : " --websocket-port \(port)")
            + (namespace.map { $0 == "teleoperation" ? "" : " --shm-namespace \($0)" } ?? "")
        return "no usage monitor answers at 127.0.0.1:\(port); start it with `waldo monitor\(flags)`, or the station with --monitor"
    }

    // MARK: Its state

    func answer(_ page: Page, _ responder: HTTPResponder) {
        guard let place, let url = place.pages[page] else {
            return responder.respond(Self.problem("this station shows no usage monitor; start it with --monitor-port or --monitor"))
        }
        client.send(HTTPClientRequest(.get, url)) { outcome in
            guard case .success(let response) = outcome, response.status == .ok, Self.isMonitors(response.body.span, page) else {
                return responder.respond(Self.problem(place.absence))
            }
            responder.respond(
                HTTPResponse(
                    .ok, fields: ["Content-Type": "application/json", "Cache-Control": "no-store"], body: .bytes(response.body)))
        }
    }

    private static func problem(_ message: String) -> HTTPProblem { HTTPProblem(.serviceUnavailable, "no_monitor", message) }

    /// Whether a usage monitor's page looks so.
    package static func isMonitors(_ body: Span<UInt8>, _ page: Page) -> Bool {
        guard let object = try? JSON(parsing: body, limits: JSONLimits(depth: 16, bytes: 1 << 20)).object else { return false }
        switch page {
        case .status: return object["status"] == "running" && object["state"]?.object?["teleoperation_active"] != nil
        case .alerts: return object["alerts"]?.array?.allSatisfy { $0.object?["metric"] != nil && $0.object?["severity"] != nil } == true
        }
    }

    /// Whether a usage monitor begins a conversation with this.
    package static func isGreeting(_ message: Span<UInt8>) -> Bool {
        guard let object = try? JSON(parsing: message, limits: JSONLimits(depth: 16, bytes: 1 << 20)).object else { return false }
        return object["type"] == "initial_state" && object["data"]?.object?["teleoperation_active"] != nil
    }

    // MARK: Its events

    /// What the client says waits until it is known that a monitor hears it.
    func relay(_ viewer: WebSocketSession) {
        guard let place else { return viewer.close(.policyViolation, "this station shows no usage monitor") }
        viewer.isPaused = true
        let opening = client.connect(place.socket) { [weak viewer] outcome in
            guard case .success(let monitor) = outcome else { return viewer?.close(.tryAgainLater, "no usage monitor answers") ?? () }
            guard let viewer, viewer.isOpen else { return monitor.close(.goingAway) }
            Self.join(viewer, monitor)
        }
        viewer.onClose = { [weak opening] _, _ in opening?.cancel() }
    }

    private static func join(_ viewer: WebSocketSession, _ monitor: WebSocketSession) {
        viewer.onClose = { [weak monitor] _, _ in monitor?.close(.goingAway) }
        viewer.onMessage = { [weak viewer, weak monitor] kind, message in
            guard kind == .text else { return viewer?.close(.unsupportedData, "expected text") ?? () }
            monitor?.send(.text, message)
        }
        monitor.onClose = { [weak viewer] code, reason in
            viewer?.isPaused = false
            // Its reasons to send this client away are told; otherwise it has ended, and may come again.
            let isTold = [.policyViolation, .messageTooBig].contains(code)
            viewer?.close(isTold ? code : .tryAgainLater, isTold ? reason : "the usage monitor has ended")
        }
        var isKnown = false
        monitor.onMessage = { [weak viewer, weak monitor] kind, message in
            if !isKnown {
                guard kind == .text, isGreeting(message) else { return monitor?.close(.policyViolation, "expected a usage monitor") ?? () }
                isKnown = true
                viewer?.isPaused = false
            }
            // Newer figures are worth more than older ones; what is sent elsewhere does not wait for a slow reader.
            if kind == .text { viewer?.send(.text, message, overflow: .dropOldest) }
        }
    }
}

extension StationServer {
    /// `/api/usage` and what is below it.
    func addUsage(_ usage: UsageProxy, to router: Router) {
        for (path, page, summary) in [
            ("/api/usage", UsageProxy.Page.status, "Whether this machine is teleoperated, by whom, how well: its usage monitor's /status"),
            ("/api/usage/alerts", .alerts, "The last 100 alerts of this machine's usage monitor"),
        ] {
            var route = Route(.get, path, summary, handler: .later { _, responder in usage.answer(page, responder) })
            route.answers = [.init(.ok, "What the monitor answers"), .init(.serviceUnavailable, "`no_monitor`: none answers")]
            router.add(route)
        }
        var options = WebSocketOptions()
        (options.connection.messageLimit, options.connection.queueLimit) = (64 << 10, 256 << 10)
        router.add(
            Route(
                .get, "/api/usage/ws", "The usage monitor's events; closed with 1013 while there is no monitor",
                handler: .webSocket(options) { viewer in usage.relay(viewer) }))
    }
}
